// Package harness runs the operator as a process against a control plane of package plane, as an identity that may do
// no more than the operator needs, and makes and watches the objects around it. It serves tests, measurements and
// demonstrations alike, so nothing in it depends on package testing.
package harness
