package plane

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/gorizond/capi-vip-allocator/test/env/plane/internal/build"
)

// Stack names a set of versions of Cluster API core and the in-cluster IPAM provider.
type Stack string

// The stacks that a plane can run.
const (
	// StackCurrent is Cluster API 1.14 with IPAM provider 1.1; Clusters are served at v1beta2 and v1beta1.
	StackCurrent Stack = "capi-v1.14"
	// StackOldest is Cluster API 1.10 with IPAM provider 1.0; everything is served at v1beta1 only.
	StackOldest Stack = "capi-v1.10"
	// StackV1Beta2 is StackCurrent without v1beta1, which Cluster API 1.16 stops serving.
	StackV1Beta2 Stack = "capi-v1.14-v1beta2"
	// StackV112 is Cluster API 1.12, which Rancher 2.14 ships.
	StackV112 Stack = "capi-v1.12"
	// StackV113 is Cluster API 1.13, which Rancher 2.15 ships.
	StackV113 Stack = "capi-v1.13"
)

// StackVariable is the environment variable that selects the stack of a test run.
const StackVariable = "PLANE_STACK"

// Stacks lists all stacks.
func Stacks() []Stack { return []Stack{StackCurrent, StackOldest, StackV1Beta2, StackV113, StackV112} }

// Ends lists the stacks at both ends of what is supported, on which every change is tested. The others are built only
// on request.
func Ends() []Stack { return []Stack{StackCurrent, StackOldest} }

// StackFromEnv reads the stack of a test run from the environment; the default is StackCurrent.
func StackFromEnv() (Stack, error) { return ParseStack(os.Getenv(StackVariable)) }

// ParseStack checks the name of a stack; the empty name is StackCurrent.
func ParseStack(name string) (Stack, error) {
	if name == "" {
		return StackCurrent, nil
	}
	if stack := Stack(name); slices.Contains(Stacks(), stack) {
		return stack, nil
	}
	names := make([]string, 0, len(Stacks()))
	for _, stack := range Stacks() {
		names = append(names, string(stack))
	}
	return "", fmt.Errorf("unknown stack %q: choose one of %s", name, strings.Join(names, ", "))
}

// ClusterVersion returns the newest version at which the stack serves Clusters, claims and addresses.
func (s Stack) ClusterVersion() string {
	if s == StackOldest {
		return "v1beta1"
	}
	return "v1beta2"
}

// unserved returns a version that the stack's Cluster API could serve but does not, or "" if there is none.
func (s Stack) unserved() string {
	if s == StackV1Beta2 {
		return "v1beta1"
	}
	return ""
}

// sources returns the nested modules from which Cluster API and the IPAM provider of the stack are built.
func (s Stack) sources() (capi, ipam *source) {
	capiName, ipamName := s.Modules()
	mainPackage, manifests := "sigs.k8s.io/cluster-api", "config" // until 1.13
	if s == StackCurrent || s == StackV1Beta2 {
		mainPackage, manifests = "sigs.k8s.io/cluster-api/core", "core/config"
	}
	capi = &source{
		group: build.ClusterAPI(capiName, mainPackage, manifests), names: []string{build.CAPI}, label: "Cluster API ",
	}
	ipam = &source{group: build.InClusterIPAM(ipamName), names: []string{build.IPAM}, label: "the IPAM provider "}
	return capi, ipam
}

// Modules returns the directories of the nested modules that pin Cluster API and the IPAM provider of the stack.
func (s Stack) Modules() (capi, ipam string) {
	switch s {
	case StackOldest:
		return "capi-v1.10", "ipam-v1.0"
	case StackV1Beta2:
		return "capi-v1.14", "ipam-v1.1"
	case StackCurrent, StackV113, StackV112:
	}
	return string(s), "ipam-v1.1"
}
