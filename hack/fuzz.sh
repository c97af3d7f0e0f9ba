#!/usr/bin/env bash
# Runs every fuzz target for the given time (default 1m). A failing input stays in its package's testdata/fuzz, where
# every test run tries it again: commit it with the fix. Minimising an input is limited to a second: map order makes
# coverage vary, so the search for a smaller input would take the whole time.
set -euo pipefail
cd "$(dirname "$0")/.."

go list -f '{{range .TestGoFiles}}{{$.Dir}}/{{.}}{{"\n"}}{{end}}{{range .XTestGoFiles}}{{$.Dir}}/{{.}}{{"\n"}}{{end}}' ./internal/... |
  xargs grep -Ho '^func Fuzz[A-Za-z0-9]*' | sort -u |
  while IFS=: read -r file target; do
    (cd "$(dirname "$file")" && set -x && go test -run '^$' -fuzz "^${target#func }\$" -fuzztime "${1:-1m}" -fuzzminimizetime 1s .) </dev/null
  done
