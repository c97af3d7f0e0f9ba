package plane

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// Options say what to start. The zero value starts everything of StackCurrent in a temporary directory.
type Options struct {
	// Stack to run; empty is StackCurrent.
	Stack Stack
	// Kubernetes is the version of the API server; empty is the environment's PLANE_KUBERNETES, else KubernetesCurrent.
	Kubernetes Kubernetes
	// Dir holds data, logs, certificates and kubeconfigs; empty is a temporary directory.
	Dir string
	// KeepDir leaves Dir behind on Stop.
	KeepDir bool
	// Log receives the progress of builds and of the start; nil discards it.
	Log io.Writer

	// Providers to run beside the fake ones; none if empty. They need StackCurrent, and take minutes to build at
	// first.
	Providers []Provider

	// Without names components that are neither installed nor started: without CAPI there are no CRDs of Cluster API
	// until InstallCAPI. Without CAPI, IPAM does not start either: it cannot run before these CRDs exist.
	Without []Component
	// Stopped names components that are installed (CRDs, webhooks, roles) but not started.
	Stopped []Component

	// NoAudit turns the audit log off; Audit then returns nil.
	NoAudit bool
	// Fsync makes etcd write through to the disk: its data survives a power cut, but everything is slower.
	Fsync bool
	// FeatureGates of Cluster API core beyond ClusterTopology, such as RuntimeSDK.
	FeatureGates map[string]bool
	// Controllers of kube-controller-manager beyond those that tests always need, such as
	// deployment-controller.
	Controllers []string
	// Args are further arguments by component; they come last, so they win.
	Args map[Component][]string

	// AssetsDir has prebuilt programs (etcd, kube-apiserver, kube-controller-manager) to use instead of building;
	// empty is the environment's KUBEBUILDER_ASSETS for KubernetesCurrent, and none for others.
	AssetsDir string
	// CacheDir keeps built programs; empty is in the user's cache directory.
	CacheDir string
}

// complete fills in defaults and refuses what cannot work.
func (o Options) complete() (Options, error) {
	stack, err := ParseStack(string(o.Stack))
	if err != nil {
		return o, err
	}
	o.Stack = stack
	if o.Kubernetes == "" {
		o.Kubernetes = Kubernetes(os.Getenv(KubernetesVariable))
	}
	if o.Kubernetes, err = ParseKubernetes(string(o.Kubernetes)); err != nil {
		return o, err
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	if o.AssetsDir == "" && o.Kubernetes == KubernetesCurrent { // their version is unknown
		o.AssetsDir = os.Getenv(assetsVariable)
	}
	for _, name := range slices.Concat(o.Without, o.Stopped) {
		if !contains(Components(), name) {
			return o, fmt.Errorf("unknown component %q: choose from %v", name, Components())
		}
		if name == Etcd || name == APIServer {
			return o, fmt.Errorf("a plane cannot start without %s: stop it after the start", name)
		}
	}
	if err := checkProviders(o.Providers); err != nil {
		return o, err
	}
	if len(o.Providers) > 0 && (o.Stack != StackCurrent || contains(o.Without, CAPI)) {
		return o, fmt.Errorf("the providers %v need %s with Cluster API", o.Providers, StackCurrent)
	}
	if contains(o.Without, CAPI) {
		o.Stopped = append(slices.Clone(o.Stopped), IPAM)
	}
	return o, nil
}

// starts says whether the component is among those that Start brings up.
func (o Options) starts(name Component) bool {
	return !contains(o.Without, name) && !contains(o.Stopped, name)
}

// makeDir makes the plane's directory, in which there is nothing yet, and returns it.
func (o Options) makeDir() (string, error) {
	if o.Dir == "" {
		dir, err := os.MkdirTemp("", "plane-")
		if err != nil {
			return "", fmt.Errorf("create a directory for the plane: %w", err)
		}
		return dir, nil
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return "", fmt.Errorf("find the plane's directory: %w", err)
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return "", fmt.Errorf("the plane's directory %s is not empty: stop the plane that uses it, or remove it", dir)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("create a directory for the plane: %w", err)
	}
	return dir, nil
}
