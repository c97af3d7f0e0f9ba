// Package answer answers the runtime hooks of Cluster API (Runtime SDK, hooks.runtime.cluster.x-k8s.io/v1alpha1):
// request -> the decision of package vip -> response. It writes nothing; what it needs to know is in the request and in
// the caches.
package answer
