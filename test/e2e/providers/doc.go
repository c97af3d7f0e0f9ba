// Package providers has the tests that go to the end, from a pool to the bootstrap data of a virtual machine, with the
// real kubeadm, RKE2 and vSphere providers on the plane and VMware's simulator of a vCenter. They take minutes: make
// test-providers.
package providers
