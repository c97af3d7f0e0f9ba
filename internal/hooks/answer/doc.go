// Package answer answers Cluster API's runtime hooks (Runtime SDK, hooks.runtime.cluster.x-k8s.io/v1alpha1): request
// -> decision of package vip -> response. It reads only the request and the caches, and writes nothing.
package answer
