#!/usr/bin/env bash
# Builds the demo and the operator, reports progress, and runs the demo with the operator. Of the control plane, it
# downloads Kubernetes if possible and builds the rest. Arguments go to the demo.
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

if [ -z "${KUBEBUILDER_ASSETS:-}" ] && bin/demo --missing | grep -qx kube-apiserver; then
  echo "Looking for released programs of Kubernetes, which save the longest build."
  KUBEBUILDER_ASSETS=$(hack/prebuilt-kubernetes.sh)
  export KUBEBUILDER_ASSETS
fi

exec bin/demo --binary=bin/capi-vip-allocator "$@"
