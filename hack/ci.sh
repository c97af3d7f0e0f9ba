#!/usr/bin/env bash
# What a change must pass, from a clean clone on a machine with Go, gcc, git and make: style, generated code, all tests on the
# current versions of Cluster API, and on the oldest supported ones those whose result depends on versions. At the end it says
# where the time went; the last lines are the summary of all tests.
set -euo pipefail
cd "$(dirname "$0")/.."

unset MAKEFLAGS MAKELEVEL # each step is a make of its own
scratch=$(mktemp -d)
begun=$SECONDS
beside=
trap 'finish $?' EXIT

title() { printf '\n=== %s (%s, %d min into it) ===\n' "$1" "$(date -u +%H:%M:%S)" $(((SECONDS - begun) / 60)); }
row() { printf '%6d s  %s\n' "$2" "$1" >>"$scratch/table"; }

# step LABEL COMMAND...: run a step. What its tests tell is kept for the summary.
step() {
  local label=$1 since=$SECONDS
  shift
  title "$label"
  GOTESTSUM_JSONFILE="$scratch/$(wc -l <"$scratch/table").json" "$@"
  row "$label" $((SECONDS - since))
}

# aside LABEL COMMAND...: run it beside the steps that follow, until join shows what it printed and fails if it has.
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
