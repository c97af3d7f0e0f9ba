// Package plane runs a real control plane for tests and demonstrations: etcd, kube-apiserver,
// kube-controller-manager, Cluster API core and the in-cluster IPAM provider as plain processes on the
// loopback interface, with real CRDs, webhooks, RBAC and an audit log. Infrastructure and control plane
// providers are played by a small controller inside this package.
package plane
