package options

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/gorizond/capi-vip-allocator/internal/version"
)

// ErrNoCluster means that nothing says which API server to use.
var ErrNoCluster = errors.New("no API server is known")

// RESTConfig builds the API client's configuration from --kubeconfig, else $KUBECONFIG, else the pod's service
// account, with the options' rate limits, the user agent capi-vip-allocator/VERSION and no compression. It does not
// fall back to ~/.kube/config: an operator must not start on whatever cluster someone used last. API warnings go to
// warnings. If no source applies, the error wraps ErrNoCluster. Call it after Complete.
func (o *Options) RESTConfig(warnings rest.WarningHandler) (*rest.Config, error) {
	config, err := o.loadRESTConfig()
	if err != nil {
		return nil, err
	}
	config.QPS = o.KubeAPIQPS
	config.Burst = o.KubeAPIBurst
	config.UserAgent = ProgramName + "/" + version.Read().Version
	// An operator is near its API server, so compressing each change of each object is needless work for both (from
	// Kubernetes 1.37 on, also on watches that begin with a list, for as long as they last). Kubernetes' own
	// components disable it too.
	config.DisableCompression = true
	config.WarningHandler = warnings
	return config, nil
}

func (o *Options) loadRESTConfig() (*rest.Config, error) {
	if o.hasKubeconfig() {
		config, err := o.clientConfig().ClientConfig()
		if err != nil {
			return nil, fmt.Errorf("cannot use the kubeconfig %s: %w; check its current-context, "+
				"or give another with --kubeconfig=FILE",
				o.kubeconfigName(), err)
		}
		return config, nil
	}
	config, err := rest.InClusterConfig()
	if errors.Is(err, rest.ErrNotInCluster) {
		return nil, fmt.Errorf("%w: outside of a pod give --kubeconfig=FILE or set KUBECONFIG", ErrNoCluster)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot use the pod's service account: %w; "+
			"mount its token (automountServiceAccountToken) or give --kubeconfig=FILE", err)
	}
	return config, nil
}

// completeLeaseNamespace sets the Lease's namespace if none was given: the operator's own, found as client-go does.
func (o *Options) completeLeaseNamespace() error {
	if !o.LeaderElection.Enabled || o.LeaderElection.Namespace != "" {
		return nil
	}
	namespace, origin, err := o.ownNamespace()
	o.LeaderElection.Namespace = namespace
	o.origin["leader-election-namespace"] = origin
	return err
}

func (o *Options) ownNamespace() (namespace, origin string, err error) {
	if o.PodNamespace != "" {
		return o.PodNamespace, "$POD_NAMESPACE", nil
	}
	if o.hasKubeconfig() {
		namespace, _, err = o.clientConfig().Namespace()
		if err != nil {
			return "", "", fmt.Errorf("cannot read the namespace of the kubeconfig %s: %w; "+
				"give --leader-election-namespace=NAME", o.kubeconfigName(), err)
		}
		return namespace, "the kubeconfig " + o.kubeconfigName(), nil
	}
	content, err := os.ReadFile(filepath.Clean(o.namespaceFile))
	if errors.Is(err, fs.ErrNotExist) {
		// Not in a pod either: Validate reports it together with everything else.
		return "", "", nil
	}
	if err != nil {
		return "", "", fmt.Errorf("cannot read the pod's namespace: %w; "+
			"set POD_NAMESPACE or give --leader-election-namespace=NAME", err)
	}
	return strings.TrimSpace(string(content)), o.namespaceFile, nil
}

func (o *Options) hasKubeconfig() bool {
	return o.Kubeconfig != "" || len(o.kubeconfigList) > 0
}

// kubeconfigName returns what messages call the kubeconfig in use.
func (o *Options) kubeconfigName() string {
	if o.Kubeconfig != "" {
		return o.Kubeconfig
	}
	return "of $KUBECONFIG"
}

func (o *Options) clientConfig() clientcmd.ClientConfig {
	rules := &clientcmd.ClientConfigLoadingRules{ExplicitPath: o.Kubeconfig, Precedence: o.kubeconfigList}
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{})
}

// splitPathList splits a list such as $KUBECONFIG and drops empty entries.
func splitPathList(list string) []string {
	var paths []string
	for _, path := range filepath.SplitList(list) {
		if path != "" {
			paths = append(paths, path)
		}
	}
	return paths
}
