// Package install tests everything that installs the operator: the chart by itself (package chart), the parts of a
// release (package release), the real installers against a real control plane (package installers), clusterctl move
// (package move), and the tools that people use beside them (package standardtools).
package install
