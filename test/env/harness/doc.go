// Package harness runs the operator as a process against a control plane of package plane, under an identity with no
// more rights than the operator needs, and creates and watches the objects around it. It serves tests, measurements
// and demonstrations alike, so nothing in it depends on package testing.
package harness
