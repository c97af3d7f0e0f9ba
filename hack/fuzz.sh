#!/usr/bin/env bash
# Runs every fuzz target for the given time (default 1m). An input that fails is left in testdata/fuzz of its package, from
# where every run of the tests tries it again: commit it with the fix. Making inputs small is given a second each: the order
# of maps makes what they cover vary, and the search for a smaller one would take the whole time.
set -euo pipefail
cd "$(dirname "$0")/.."

go list -f '{{range .TestGoFiles}}{{$.Dir}}/{{.}}{{"\n"}}{{end}}{{range .XTestGoFiles}}{{$.Dir}}/{{.}}{{"\n"}}{{end}}' ./internal/... |
  xargs grep -Ho '^func Fuzz[A-Za-z0-9]*' | sort -u |
  while IFS=: read -r file target; do
    (cd "$(dirname "$file")" && set -x && go test -run '^$' -fuzz "^${target#func }\$" -fuzztime "${1:-1m}" -fuzzminimizetime 1s .) </dev/null
  done
