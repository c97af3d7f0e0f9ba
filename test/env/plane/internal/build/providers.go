package build

// Names of the programs of real infrastructure, bootstrap and control plane providers.
const (
	KubeadmBootstrap    = "kubeadm-bootstrap"
	KubeadmControlPlane = "kubeadm-control-plane"
	VSphere             = "vsphere"
	VCenter             = "vcenter"
	RKE2Bootstrap       = "rke2-bootstrap"
	RKE2ControlPlane    = "rke2-control-plane"
)

const (
	vSphereModule = "sigs.k8s.io/cluster-api-provider-vsphere"
	vCenterModule = "github.com/vmware/govmomi"
	rke2Module    = "github.com/rancher/cluster-api-provider-rke2"
)

// KubeadmProviders are the bootstrap and control plane providers of Cluster API itself.
func KubeadmProviders() Group {
	return Group{
		Name:           "kubeadm",
		Module:         capiModule,
		VersionPackage: capiModule + "/version",
		Binaries: []Binary{
			{
				Name: KubeadmBootstrap, Package: capiModule + "/bootstrap/kubeadm",
				Kustomization: "bootstrap/kubeadm/config/default",
			},
			{
				Name: KubeadmControlPlane, Package: capiModule + "/controlplane/kubeadm",
				Kustomization: "controlplane/kubeadm/config/default",
			},
		},
	}
}

// VSphereProvider is the infrastructure provider of vSphere.
func VSphereProvider() Group {
	return Group{
		Name:           "vsphere",
		Module:         vSphereModule,
		VersionPackage: vSphereModule + "/pkg/version",
		Binaries:       []Binary{{Name: VSphere, Package: vSphereModule, Kustomization: "config/default"}},
	}
}

// VCenterSimulator is VMware's simulator with our own main package, which is in the nested module.
func VCenterSimulator() Group {
	return Group{
		Name:           "vcenter",
		Module:         vCenterModule,
		VersionPackage: vCenterModule,
		Binaries:       []Binary{{Name: VCenter, Package: "."}},
	}
}

// RKE2Providers are the bootstrap and control plane providers of RKE2.
func RKE2Providers() Group {
	return Group{
		Name:           "rke2",
		Module:         rke2Module,
		VersionPackage: rke2Module + "/version",
		Binaries: []Binary{
			{Name: RKE2Bootstrap, Package: rke2Module + "/bootstrap", Kustomization: "bootstrap/config/default"},
			{
				Name: RKE2ControlPlane, Package: rke2Module + "/controlplane",
				Kustomization: "controlplane/config/default",
			},
		},
	}
}
