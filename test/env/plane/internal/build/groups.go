package build

import "slices"

// Binary is one program of a group.
type Binary struct {
	// Name is the file name in the cache and in the output of the builder.
	Name string
	// Package is the import path of its main package; "." is in the nested module itself.
	Package string
	// Kustomization is the directory of the group's module with the manifest that the program is released with, see
	// Released; empty if there is none.
	Kustomization string
}

// Group is a set of programs that share one nested Go module, and so one set of pinned dependencies.
type Group struct {
	// Name is the directory of the nested module below the binaries directory.
	Name string
	// Module is the module whose version the programs are stamped with and whose manifests are kept.
	Module string
	// VersionPackage holds the variables gitVersion, gitMajor and gitMinor.
	VersionPackage string
	// Binaries are the programs to build.
	Binaries []Binary
	// ManifestRoot is the directory of Module that holds crd, rbac and webhook; empty when there is none.
	ManifestRoot string
}

// Names of the programs, the same in every group that offers them.
const (
	Etcd              = "etcd"
	APIServer         = "kube-apiserver"
	ControllerManager = "kube-controller-manager"
	CommandLine       = "kubectl"
	CAPI              = "capi"
	IPAM              = "ipam"
)

const (
	capiModule = "sigs.k8s.io/cluster-api"
	ipamModule = "sigs.k8s.io/cluster-api-ipam-provider-in-cluster"
)

// Kubernetes is etcd, the API server and the controller manager.
func Kubernetes() Group {
	return Group{
		Name:           "kubernetes",
		Module:         "k8s.io/kubernetes",
		VersionPackage: "k8s.io/component-base/version",
		Binaries: []Binary{
			{Name: Etcd, Package: "go.etcd.io/etcd/server/v3"},
			{Name: APIServer, Package: "k8s.io/kubernetes/cmd/kube-apiserver"},
			{Name: ControllerManager, Package: "k8s.io/kubernetes/cmd/kube-controller-manager"},
		},
	}
}

// OtherKubernetes is the API server and the controller manager of another version, from the nested module name; etcd
// comes from Kubernetes.
func OtherKubernetes(name string) Group {
	group := Kubernetes()
	group.Name = name
	group.Binaries = slices.DeleteFunc(group.Binaries, func(b Binary) bool { return b.Name == Etcd })
	return group
}

// Kubectl is the command line. It has its own module, so that a change of it does not rebuild the programs of the
// plane.
func Kubectl() Group {
	return Group{
		Name:           "kubectl",
		Module:         "k8s.io/kubernetes",
		VersionPackage: "k8s.io/component-base/version",
		Binaries:       []Binary{{Name: CommandLine, Package: "k8s.io/kubernetes/cmd/kubectl"}},
	}
}

// ClusterAPI is Cluster API core from the nested module name; its main package and its manifests
// moved below core in 1.14.
func ClusterAPI(name, mainPackage, manifestRoot string) Group {
	return Group{
		Name:           name,
		Module:         capiModule,
		VersionPackage: capiModule + "/version",
		Binaries:       []Binary{{Name: CAPI, Package: mainPackage}},
		ManifestRoot:   manifestRoot,
	}
}

// InClusterIPAM is the in-cluster IPAM provider from the nested module name.
func InClusterIPAM(name string) Group {
	return Group{
		Name:           name,
		Module:         ipamModule,
		VersionPackage: "k8s.io/client-go/pkg/version",
		Binaries:       []Binary{{Name: IPAM, Package: ipamModule}},
		ManifestRoot:   "config",
	}
}
