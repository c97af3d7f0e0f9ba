package plane

import (
	"fmt"
	"slices"

	"github.com/gorizond/capi-vip-allocator/test/env/plane/internal/build"
)

// Kubernetes names a minor version of Kubernetes. Every stack runs on each of them.
type Kubernetes string

// The versions that a plane can run.
const (
	// KubernetesCurrent is what a plane runs unless it is told otherwise.
	KubernetesCurrent Kubernetes = "v1.37"
	// KubernetesV136 is the newest that Rancher 2.15 accepts for its Turtles.
	KubernetesV136 Kubernetes = "v1.36"
	// KubernetesV134 is the newest that Rancher 2.13 accepts.
	KubernetesV134 Kubernetes = "v1.34"
)

// KubernetesVariable is the environment variable that selects the version of Kubernetes for a test run.
const KubernetesVariable = "PLANE_KUBERNETES"

// KubernetesVersions lists all versions of Kubernetes.
func KubernetesVersions() []Kubernetes {
	return []Kubernetes{KubernetesCurrent, KubernetesV136, KubernetesV134}
}

// ParseKubernetes checks the name of a version; the empty name is KubernetesCurrent.
func ParseKubernetes(name string) (Kubernetes, error) {
	if name == "" {
		return KubernetesCurrent, nil
	}
	if version := Kubernetes(name); slices.Contains(KubernetesVersions(), version) {
		return version, nil
	}
	return "", fmt.Errorf("unknown version of Kubernetes %q: choose one of %v", name, KubernetesVersions())
}

// Module returns the directory of the nested module that pins the version.
func (k Kubernetes) Module() string {
	if k == KubernetesCurrent {
		return build.Kubernetes().Name
	}
	return build.Kubernetes().Name + "-" + string(k)
}

// group returns the group that builds one of Kubernetes' programs.
func (k Kubernetes) group(program string) build.Group {
	if k == KubernetesCurrent || program == build.Etcd {
		return build.Kubernetes()
	}
	return build.OtherKubernetes(k.Module())
}

// sources returns the groups that build programs of Kubernetes.
func (k Kubernetes) sources(programs []string) []*source {
	var sources []*source
	for _, program := range programs {
		group := k.group(program)
		i := slices.IndexFunc(sources, func(s *source) bool { return s.group.Name == group.Name })
		if i < 0 {
			i = len(sources)
			sources = append(sources, &source{group: group, label: "Kubernetes "})
		}
		sources[i].names = append(sources[i].names, program)
	}
	return sources
}

// Combination is a stack on a version of Kubernetes.
type Combination struct {
	Stack      Stack
	Kubernetes Kubernetes
}

// Matrix lists the combinations that all tests run on: the first two for every change, the others every night.
func Matrix() []Combination {
	return []Combination{
		{StackCurrent, KubernetesCurrent},
		{StackOldest, KubernetesCurrent},
		{StackOldest, KubernetesV134},
		{StackV112, KubernetesV134},
		{StackV113, KubernetesV136},
		{StackV1Beta2, KubernetesCurrent},
	}
}
