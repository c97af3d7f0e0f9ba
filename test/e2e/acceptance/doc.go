// Package acceptance tests the operator as a whole: the real program on a real control plane, seen from outside.
// Ordinary tests run side by side on one plane and one operator, each with its own namespace, ClusterClass and
// address range. Disruptive tests, and those that start the operator with options of their own, run before them, one
// after the other.
package acceptance
