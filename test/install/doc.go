// Package install tests everything that installs the operator: the chart by itself (package chart), what a release
// consists of (package release), and the real installers against a real control plane (package plane).
package install
