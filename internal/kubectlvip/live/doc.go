// Package live reads a cluster for kubectl vip: once, or over watches. It fills the same store that the operator
// decides from, so pools, claims and rivals are found by the same code.
package live
