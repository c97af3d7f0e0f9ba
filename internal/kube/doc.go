// Package kube carries out the effects around a decision: it gathers the snapshot from the caches, and applies the plan
// through the API server.
package kube
