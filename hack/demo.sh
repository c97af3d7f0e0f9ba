#!/usr/bin/env bash
# Builds the demonstration and the operator, saying that it does, and runs the one with the other. Arguments go to the demonstration.
set -euo pipefail
cd "$(dirname "$0")/.."
export CGO_ENABLED="${CGO_ENABLED:-0}"

echo "Building the demonstration and the operator; the first time that takes about three minutes."
(while sleep 15 >/dev/null 2>&1; do echo "still building ($SECONDS s)"; done) &
heart=$!
trap 'kill "$heart"' EXIT
go build -o bin/ ./test/demo ./cmd/capi-vip-allocator
kill "$heart"
trap - EXIT

exec bin/demo --binary=bin/capi-vip-allocator "$@"
