#!/usr/bin/env bash
# Checks a change, from a clean clone on a machine with Go, gcc, git and make: style, generated code, all tests on the
# current versions of Cluster API, and version-dependent tests on the oldest supported ones. At the end it prints
# where the time went and, last, the summary of all tests.
set -euo pipefail
cd "$(dirname "$0")/.."

unset MAKEFLAGS MAKELEVEL # each step is a separate make
scratch=$(mktemp -d)
begun=$SECONDS
beside=
trap 'finish $?' EXIT

title() { printf '\n=== %s (%s, %d min into it) ===\n' "$1" "$(date -u +%H:%M:%S)" $(((SECONDS - begun) / 60)); }
row() { printf '%6d s  %s\n' "$2" "$1" >>"$scratch/table"; }

# step LABEL COMMAND...: run a step. Its test results are kept for the summary.
step() {
  local label=$1 since=$SECONDS
  shift
  title "$label"
  GOTESTSUM_JSONFILE="$scratch/$(wc -l <"$scratch/table").json" "$@"
  row "$label" $((SECONDS - since))
}

# aside LABEL COMMAND...: run a command in the background of the next steps. join prints its output and fails if it
# failed.
aside() {
  aside_label=$1
  shift
  (
    since=$SECONDS code=0
    GOTESTSUM_JSONFILE="$scratch/aside-$since.json" "$@" >"$scratch/aside" 2>&1 || code=$?
    row "$aside_label (beside what follows)" $((SECONDS - since))
    exit "$code"
  ) &
  beside=$!
}

join() {
  local code=0
  wait "$beside" || code=$?
  beside=
  title "$aside_label"
  cat "$scratch/aside"
  return "$code"
}

finish() {
  local code=$1
  if [ -n "$beside" ]; then join || true; fi
  title "where the time went"
  sort -rn "$scratch/table"
  printf '%6d s  in all\n' $((SECONDS - begun))
  if compgen -G "$scratch/*.json" >/dev/null; then
    cat "$scratch"/*.json >"$scratch/all"
    printf '\nThe slowest tests:\n'
    tool gotestsum tool slowest --num 15 --jsonfile "$scratch/all" || true
    printf '\nAll tests of this run:\n'
    tool gotestsum --format none --raw-command -- cat "$scratch/all" || code=1
  fi
  rm -rf "$scratch"
  exit "$code"
}

tool() { go tool -modfile=tools/go.mod "$@"; }
style() { make lint && make verify; }

touch "$scratch/table"
aside "lint, generated code and go.mod" style
step "build the control planes" make plane
join
step "build the operator" make build
aside "memory that Clusters leave behind" make test-soak
step "tests that need no control plane, with the race detector" make test-unit
join
step "what machines start with, with the real kubeadm providers" make test-bootstrap
step "tests on the oldest supported versions" make test-compat
step "tests on the current versions" make test-plane
