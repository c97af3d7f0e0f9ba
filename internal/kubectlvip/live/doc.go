// Package live reads a cluster for kubectl vip, once or through watches. It fills the same store that the operator
// decides from, so the same code finds pools, claims and rivals.
package live
