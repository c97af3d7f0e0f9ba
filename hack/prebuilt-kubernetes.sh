#!/usr/bin/env bash
# Prints the directory of released Kubernetes programs of the control plane's minor version. They come from
# controller-runtime's envtest, are downloaded once and checked against the checksums in its index. If they are
# unavailable, it prints no directory, says why, and succeeds: they can be built. ENVTEST_INDEX sets another index.
set -euo pipefail
cd "$(dirname "$0")/.."

minor=$(sed -nE 's|^\s*k8s\.io/kubernetes v1\.([0-9]+)\..*|1.\1|p' test/env/plane/binaries/kubernetes/go.mod | head -1)
envtest() {
  timeout "$1" go tool -modfile=tools/go.mod setup-envtest ${ENVTEST_INDEX:+--index="$ENVTEST_INDEX"} "${@:2}"
}

# The index arrives within seconds or not at all; the programs may take longer.
if ! problem=$(envtest 30 list "$minor.x" 2>&1 >/dev/null); then
  echo "Released programs of Kubernetes cannot be had (${problem:-no answer}); they are built." >&2
elif ! directory=$(envtest 300 use --print=path "$minor.x"); then
  echo "There are no released programs of Kubernetes $minor, or they are not what the index says; they are built." >&2
else
  echo "$directory"
fi
