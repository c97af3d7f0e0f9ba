#!/usr/bin/env bash
# Installs Cluster API, its IPAM provider and this tree's chart and image into a kind cluster, and creates and deletes
# a Cluster of Cluster API's Docker provider: hack/kind-e2e.sh NAME. Needs kind, kubectl, helm, clusterctl and Docker.
# It has never been run.
set -euo pipefail
cd "$(dirname "$0")/.."
kind_cluster=${1:?name of the kind cluster}
version=v1.0.0-e2e
namespace=capi-vip-allocator-system

say() { printf '\n=== %s\n' "$*"; }

say "Cluster API and the in-cluster IPAM provider"
export CLUSTER_TOPOLOGY=true
clusterctl init --infrastructure docker --ipam in-cluster --wait-providers

say "the image and the chart of this tree"
make image chart manifests VERSION="$version"
kind load image-archive "dist/capi-vip-allocator_${version}_image.tar" --name "$kind_cluster"
helm install capi-vip-allocator "dist/capi-vip-allocator-${version#v}.tgz" --namespace "$namespace" --create-namespace \
  --set image.pullPolicy=Never --wait --timeout 3m

say "a pool, and a Cluster of the class quick-start"
kubectl apply -f - <<'YAML'
apiVersion: ipam.cluster.x-k8s.io/v1alpha2
kind: GlobalInClusterIPPool
metadata:
  name: e2e-control-plane
  labels: {vip.capi.gorizond.io/cluster-class: quick-start, vip.capi.gorizond.io/role: control-plane}
spec: {addresses: [10.10.0.10-10.10.0.19], prefix: 24, gateway: 10.10.0.1}
YAML
clusterctl generate cluster berlin --flavor development --kubernetes-version v1.34.0 \
  --control-plane-machine-count=1 --worker-machine-count=0 | kubectl apply -f -
kubectl wait cluster/berlin --for=condition=ControlPlaneVIPReady --timeout=120s
test "$(kubectl get cluster berlin -o jsonpath='{.spec.controlPlaneEndpoint.host}')" = 10.10.0.10

say "two replicas, one leader; the leader goes, the other takes over"
kubectl -n "$namespace" rollout status deployment/capi-vip-allocator-controller-manager --timeout=120s
holder=$(kubectl -n "$namespace" get lease capi-vip-allocator-leader -o jsonpath='{.spec.holderIdentity}')
kubectl -n "$namespace" delete pod "${holder%%_*}" --wait=true
for _ in $(seq 60); do
  now=$(kubectl -n "$namespace" get lease capi-vip-allocator-leader -o jsonpath='{.spec.holderIdentity}')
  [ -n "$now" ] && [ "$now" != "$holder" ] && break
  sleep 1
done
[ "$now" != "$holder" ]

say "the end of the Cluster, and of the operator"
kubectl delete cluster berlin --timeout=10m
test -z "$(kubectl get ipaddresses.ipam.cluster.x-k8s.io -o name)"
helm uninstall capi-vip-allocator --namespace "$namespace" --wait
say "done"
