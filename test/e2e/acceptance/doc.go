// Package acceptance holds the tests of the operator as a whole: the real program on a real control plane, seen from
// outside. Ordinary tests run side by side on one plane and one operator, each in a namespace, a ClusterClass and an
// address range of its own. Tests that disturb others, or start the operator with options of their own, run before
// them, one after the other.
package acceptance
