package names

// The runtime extension. There is one in a management cluster, since an ExtensionConfig has no namespace and its name
// is part of what ClusterClasses refer to; so these names do not depend on how the operator was installed.
const (
	// ExtensionObjects is the name of the Service and the Secret in the operator's namespace, and the default of the
	// ClusterRole that owns the ExtensionConfig, so that it goes when the operator is uninstalled.
	ExtensionObjects = "capi-vip-allocator-runtime-extension"
)

// The handlers of the runtime extension.
const (
	// HandlerBeforeClusterCreate holds the topology of a new Cluster back until its VIP is there.
	HandlerBeforeClusterCreate = "before-cluster-create"

	// HandlerGeneratePatches writes the VIP into the templates.
	HandlerGeneratePatches = "generate-patches"

	// HandlerValidateTopology refuses a Cluster for which no pool exists.
	HandlerValidateTopology = "validate-topology"
)

// OwnDeployments selects the operator's Deployment, in whatever way it was installed.
const OwnDeployments = "cluster.x-k8s.io/provider=addon-capi-vip-allocator,control-plane=controller-manager"
