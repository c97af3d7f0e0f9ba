#!/usr/bin/env bash
# All tests on a control plane, on every combination of versions that is supported, one after the other; hours, and the
# versions that are not built yet take some minutes more each. With an argument, those combinations that have it in their
# line. It goes on where one fails, and says at the end which did.
set -euo pipefail
cd "$(dirname "$0")/.."

unset MAKEFLAGS MAKELEVEL # each combination is a make of its own
failed=()
mapfile -t combinations < <(go run ./test/env/plane/cmd/plane matrix | grep -F -e "${1:-}")
for combination in "${combinations[@]}"; do
  printf '\n=== %s (%s)\n' "$combination" "$(date -u +%H:%M:%S)"
  read -r -a variables <<<"$combination"
  env "${variables[@]}" make test-versions || failed+=("$combination")
done
printf '\n%d combinations, %d failed\n' "${#combinations[@]}" "${#failed[@]}"
printf '%s\n' "${failed[@]}"
[ "${#combinations[@]}" -gt 0 ] && [ "${#failed[@]}" -eq 0 ]
