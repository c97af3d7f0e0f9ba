package plane

import (
	"context"
	"fmt"
	"os"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

const (
	// mastersGroup may do everything; the API server binds it before any role exists.
	mastersGroup = "system:masters"
	// clientQPS and clientBurst exceed what a plane can serve: tests must not measure their own client.
	clientQPS   = 2000
	clientBurst = 4000
	// tokenSeconds is the lifetime of a service account token, long enough for any test run.
	tokenSeconds = 24 * 60 * 60
)

// Identity is a user with groups, as the API server sees it.
type Identity struct {
	// User is at most 64 characters long, because it becomes the common name of a certificate.
	User string
	// Groups of the user; the API server adds system:authenticated.
	Groups []string
}

// Admin may do everything.
func Admin() Identity { return Identity{User: "plane-admin", Groups: []string{mastersGroup}} }

// ServiceAccountIdentity returns the identity of a service account, for a client that authenticates by certificate.
func ServiceAccountIdentity(namespace, name string) Identity {
	return Identity{
		User:   "system:serviceaccount:" + namespace + ":" + name,
		Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + namespace},
	}
}

// Config returns the configuration of a client that may do everything, with high rate limits. It is a copy.
func (p *Plane) Config() *rest.Config { return rest.CopyConfig(p.admin) }

// ConfigFor returns the configuration of a client that authenticates by a certificate signed for the identity.
func (p *Plane) ConfigFor(identity Identity) (*rest.Config, error) {
	pair, err := p.authority.Client(identity.User, identity.Groups...)
	if err != nil {
		return nil, fmt.Errorf("make a client configuration for %s: %w", identity.User, err)
	}
	config := p.anonymous()
	config.CertData, config.KeyData = pair.Cert, pair.Key
	return config, nil
}

// Kubeconfig writes a kubeconfig file for the identity and returns its path.
func (p *Plane) Kubeconfig(identity Identity) (string, error) {
	config, err := p.ConfigFor(identity)
	if err != nil {
		return "", err
	}
	return p.writeKubeconfig(identity.User, config)
}

// ServiceAccountConfig returns the configuration of a client that authenticates by a token of the service account,
// which must exist.
func (p *Plane) ServiceAccountConfig(ctx context.Context, namespace, name string) (*rest.Config, error) {
	client, err := dynamic.NewForConfig(p.admin)
	if err != nil {
		return nil, fmt.Errorf("create a client: %w", err)
	}
	request := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "authentication.k8s.io/v1",
		"kind":       "TokenRequest",
		"metadata":   map[string]any{"name": name, "namespace": namespace},
		"spec":       map[string]any{"expirationSeconds": int64(tokenSeconds)},
	}}
	accounts := schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}
	answer, err := client.Resource(accounts).Namespace(namespace).Create(ctx, request, metav1.CreateOptions{}, "token")
	if err != nil {
		return nil, fmt.Errorf("request a token for service account %s/%s (create the service account first): %w",
			namespace, name, err)
	}
	token, found, err := unstructured.NestedString(answer.Object, "status", "token")
	if err != nil || !found {
		return nil, fmt.Errorf("the token request for %s/%s was answered without a token: %w", namespace, name, err)
	}
	config := p.anonymous()
	config.BearerToken = token
	return config, nil
}

// ServiceAccountKubeconfig writes a kubeconfig file with a token of the service account and returns its path.
func (p *Plane) ServiceAccountKubeconfig(ctx context.Context, namespace, name string) (string, error) {
	config, err := p.ServiceAccountConfig(ctx, namespace, name)
	if err != nil {
		return "", err
	}
	return p.writeKubeconfig(tokenUser(namespace, name), config)
}

// tokenUser names the kubeconfig of a service account that authenticates by a token.
func tokenUser(namespace, name string) string {
	return ServiceAccountIdentity(namespace, name).User + ":token"
}

// kubeconfigPath returns the path of the kubeconfig of a name.
func (p *Plane) kubeconfigPath(name string) string {
	return p.path("kubeconfig", strings.NewReplacer(":", "_", "/", "_").Replace(name))
}

func (p *Plane) anonymous() *rest.Config {
	return &rest.Config{
		Host:            "https://" + address(p.ports.apiServer),
		TLSClientConfig: rest.TLSClientConfig{CAData: p.authority.PEM()},
		QPS:             clientQPS,
		Burst:           clientBurst,
		// As the operator does: both ends share the processors of this machine.
		DisableCompression: true,
	}
}

func (p *Plane) writeKubeconfig(name string, config *rest.Config) (string, error) {
	const entry = "plane"
	file := clientcmdapi.NewConfig()
	file.Clusters[entry] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	file.AuthInfos[entry] = &clientcmdapi.AuthInfo{
		ClientCertificateData: config.CertData,
		ClientKeyData:         config.KeyData,
		Token:                 config.BearerToken,
	}
	file.Contexts[entry] = &clientcmdapi.Context{Cluster: entry, AuthInfo: entry}
	file.CurrentContext = entry
	path := p.kubeconfigPath(name)
	if err := os.MkdirAll(p.path("kubeconfig"), 0o700); err != nil {
		return "", fmt.Errorf("create the directory of kubeconfigs: %w", err)
	}
	if err := clientcmd.WriteToFile(*file, path); err != nil {
		return "", fmt.Errorf("write a kubeconfig for %s: %w", name, err)
	}
	return path, nil
}
