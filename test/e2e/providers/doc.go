// Package providers has the tests that go all the way from a pool to the bootstrap data of a virtual machine, with
// the real kubeadm, RKE2 and vSphere providers on the plane and VMware's vCenter simulator. They take minutes: make
// test-providers.
package providers
