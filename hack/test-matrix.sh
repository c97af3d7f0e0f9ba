#!/usr/bin/env bash
# Runs all control plane tests on every supported combination of versions, one after the other. That takes hours, and
# some minutes more for each version that is not built yet. With an argument, runs only the combinations whose line
# contains it. Continues after failures and lists them at the end.
set -euo pipefail
cd "$(dirname "$0")/.."

unset MAKEFLAGS MAKELEVEL # each combination is a separate make
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
