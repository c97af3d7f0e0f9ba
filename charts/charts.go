// Package charts holds the parts of the chart that programs of this repository read.
package charts

import _ "embed"

// Rules are all permissions of the operator, as YAML: lists of PolicyRules below the keys watched (namespaced kinds, in
// every namespace that is watched), cluster (kinds outside of namespaces), diagnostics (for protected metrics), own (in
// the operator's own namespace), extension and extensionOwn (the same for the runtime hooks) and metricsReader (not the
// operator's: what a scraper needs).
//
//go:embed capi-vip-allocator/files/rbac.yaml
var Rules []byte

// Protection is the spec of the ValidatingAdmissionPolicy that keeps claims, as YAML. OPERATOR in it stands for the
// user name of the operator's service account.
//
//go:embed capi-vip-allocator/files/protection.yaml
var Protection string

// Placeholder is the spec of the MutatingAdmissionPolicy that fills in a variable, as YAML. CLASS, NAMESPACE, VARIABLE
// and VALUE in it stand for JSON.
//
//go:embed capi-vip-allocator/files/placeholder.yaml
var Placeholder string

// Keep are the parts of the policies that keep the VIPs that a Cluster has, as YAML: what the two modes have in common,
// and keep and refuse, which are merged with it. OPERATOR in it stands for the user name of the operator's service
// account, and VARIABLES for a JSON list of names.
//
//go:embed capi-vip-allocator/files/keep.yaml
var Keep string

// UIRules are all permissions of the pages in the cluster, as YAML: lists of PolicyRules below the keys watched
// (namespaced kinds, in every namespace that is watched), cluster (kinds outside of namespaces) and own (in the
// operator's own namespace). CONFIG in it stands for the name of the ConfigMap with the operator's config file.
//
//go:embed capi-vip-allocator/files/ui.yaml
var UIRules string
