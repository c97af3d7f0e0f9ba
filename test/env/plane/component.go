package plane

import (
	"context"
	"slices"

	"github.com/gorizond/capi-vip-allocator/test/env/plane/internal/build"
	"github.com/gorizond/capi-vip-allocator/test/env/plane/internal/proc"
)

// Component names a part of the plane that can be stopped and started on its own.
type Component string

// The components, in start order.
const (
	Etcd              Component = "etcd"
	APIServer         Component = "kube-apiserver"
	ControllerManager Component = "kube-controller-manager"
	CAPI              Component = "capi"
	IPAM              Component = "ipam"
	// FakeProvider plays the infrastructure and control plane providers inside this process.
	FakeProvider Component = "fake-provider"
)

// The components of real providers, which Options.Providers asks for.
const (
	// Simulator is the vCenter of provider VSphere, and CAPV the provider itself.
	Simulator           Component = build.VCenter
	CAPV                Component = build.VSphere
	KubeadmBootstrap    Component = build.KubeadmBootstrap
	KubeadmControlPlane Component = build.KubeadmControlPlane
	RKE2Bootstrap       Component = build.RKE2Bootstrap
	RKE2ControlPlane    Component = build.RKE2ControlPlane
)

// Components lists all components in start order. Those of real providers are only in a plane that was asked for
// them.
func Components() []Component {
	all := []Component{Etcd, APIServer, ControllerManager, CAPI, IPAM, FakeProvider}
	for _, part := range parts() {
		all = append(all, part.component)
	}
	return all
}

// runner runs a component. Each method returns once it has taken effect.
type runner interface {
	start(ctx context.Context) error
	stop(ctx context.Context) error
	kill() error
	pause() error
	resume(ctx context.Context) error
	status() ComponentStatus
}

// ComponentStatus is what the plane knows about a component without asking it.
type ComponentStatus struct {
	Name    Component `json:"name"`
	Running bool      `json:"running"`
	Paused  bool      `json:"paused,omitempty"`
	// PID is zero for a component that is not running or not a process.
	PID int `json:"pid,omitempty"`
	// Log is the component's log file; empty for a component that is not a process.
	Log string `json:"log,omitempty"`
}

// LogTail returns the last lines of the component's log, or a note why it cannot.
func (s ComponentStatus) LogTail(lines int) string { return proc.Tail(s.Log, lines) }

func contains(list []Component, name Component) bool { return slices.Contains(list, name) }
