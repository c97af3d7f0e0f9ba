#!/usr/bin/env bash
# What a change must pass, from a clean clone on a machine with Go, gcc, git and make: style, generated code, and all tests
# on the current and on the oldest supported versions of Cluster API. Each step says how long the one before it took; the last
# lines are the summary of the last tests.
set -euo pipefail
cd "$(dirname "$0")/.."

unset MAKEFLAGS MAKELEVEL # each step is a make of its own
begun=$SECONDS
step() {
  printf '\n=== %s (%s, %d min into it) ===\n' "$1" "$(date -u +%H:%M:%S)" $(((SECONDS - begun) / 60))
  shift
  local since=$SECONDS
  "$@"
  printf -- '--- took %d s\n' $((SECONDS - since))
}

step "build the control planes" make plane
step "lint" make lint
step "generated code and go.mod" make verify
step "build the operator" make build
step "tests on the oldest supported versions" make test-compat
printf '\n=== tests on the current versions (%s) ===\n' "$(date -u +%H:%M:%S)"
make test
