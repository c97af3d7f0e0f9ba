#!/usr/bin/env bash
# Fails if generated code, or the go.mod of a named module, is not what the tools would write now.
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

echo "generated code"
cp -a internal/capi/zz_generated.deepcopy.go "$scratch/"
make --no-print-directory generate
if ! diff -u "$scratch/zz_generated.deepcopy.go" internal/capi/zz_generated.deepcopy.go; then
  echo "internal/capi/zz_generated.deepcopy.go was out of date; 'make generate' has been run, commit the result" >&2
  exit 1
fi

echo "go.mod"
for module in "$@"; do
  if ! (cd "$module" && go mod tidy -diff); then
    echo "$module/go.mod is not tidy: run 'go mod tidy' there" >&2
    exit 1
  fi
done
