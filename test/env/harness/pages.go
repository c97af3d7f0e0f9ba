package harness

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"github.com/gorizond/capi-vip-allocator/charts"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

const (
	// PagesPort is the port of the Service that Publish creates, as in the chart.
	PagesPort = 80
	// pagesNamespace holds the accounts of GrantPages: in the operator's namespace they would have the operator's
	// rights.
	pagesNamespace = "capi-vip-pages"
)

// PagesUser returns the name of an account of GrantPages in the audit log.
func PagesUser(account string) string {
	return plane.ServiceAccountIdentity(pagesNamespace, account).User
}

// GrantPages creates a service account with exactly the roles that the chart gives the pages in the cluster, from the
// same file. They allow all namespaces, or only the given one. Config is the name of the operator's ConfigMap. It
// returns a kubeconfig of the account and its rules.
func GrantPages(
	ctx context.Context, p *plane.Plane, account, namespace, config string,
) (string, []rbacv1.PolicyRule, error) {
	var rules map[string][]rbacv1.PolicyRule
	if err := yaml.UnmarshalStrict([]byte(strings.ReplaceAll(charts.UIRules, "CONFIG", config)), &rules); err != nil {
		return "", nil, fmt.Errorf("read the chart's permissions: %w", err)
	}
	everywhere, roles := rules["cluster"], map[string][]rbacv1.PolicyRule{Namespace: rules["own"]}
	if namespace == "" {
		everywhere = append(rules["watched"], everywhere...)
	} else {
		roles[namespace] = rules["watched"]
	}
	var manifests strings.Builder
	fmt.Fprintf(&manifests, `
{apiVersion: v1, kind: Namespace, metadata: {name: %[1]s}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: %[2]s, namespace: %[1]s}}
`, pagesNamespace, account)
	manifests.WriteString(bound("ClusterRole", account, "", everywhere))
	for in, granted := range roles {
		manifests.WriteString(bound("Role", account, in, granted))
	}
	if _, err := plane.ApplyYAML(ctx, p.Config(), manifests.String()); err != nil {
		return "", nil, fmt.Errorf("grant the pages their roles: %w", err)
	}
	file, err := p.ServiceAccountKubeconfig(ctx, pagesNamespace, account)
	return file, append(everywhere, rules["own"]...), err
}

// bound returns the manifest of a role and its binding to an account of the pages.
func bound(kind, account, namespace string, rules []rbacv1.PolicyRule) string {
	text, err := yaml.Marshal(rules)
	if err != nil {
		panic(err) // they were read from YAML
	}
	meta := fmt.Sprintf("{name: %s}", account)
	if namespace != "" {
		meta = fmt.Sprintf("{name: %s, namespace: %s}", account, namespace)
	}
	return fmt.Sprintf(`
---
apiVersion: rbac.authorization.k8s.io/v1
kind: %[1]s
metadata: %[2]s
rules:
%[3]s
---
apiVersion: rbac.authorization.k8s.io/v1
kind: %[1]sBinding
metadata: %[2]s
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: %[1]s, name: %[4]s}
subjects: [{kind: ServiceAccount, name: %[4]s, namespace: %[5]s}]
`, kind, meta, text, account, pagesNamespace)
}

// ServePages serves the pages as the pod does, with the rights of a kubeconfig, on an address that the API server
// accepts as an endpoint. It returns the address, and a function that stops the pages as the kubelet does and returns
// the exit code.
func ServePages(kubeconfig, namespace string, log io.Writer) (address *url.URL, stop func() int, err error) {
	host, err := ownAddress()
	if err != nil {
		return nil, nil, err
	}
	return printed([]string{
		"serve", "--address=" + net.JoinHostPort(host, "0"), "--operator-namespace=" + Namespace,
		"--namespace=" + namespace, "--kubeconfig=" + kubeconfig,
	}, log)
}

var errNoAddress = errors.New("this machine has no address but those of loopback, which no Service can have")

// ownAddress returns an address of this machine that is not on loopback.
func ownAddress() (string, error) {
	found, err := net.InterfaceAddrs()
	if err != nil {
		return "", fmt.Errorf("list the addresses of this machine: %w", err)
	}
	for _, address := range found {
		if network, ok := address.(*net.IPNet); ok && network.IP.To4() != nil && network.IP.IsGlobalUnicast() {
			return network.IP.String(), nil
		}
	}
	return "", errNoAddress
}

// Publish creates a Service in the operator's namespace whose pod has the given address, and returns the Service's
// path in the API server, which leads only to pod addresses.
func Publish(ctx context.Context, p *plane.Plane, name string, address *url.URL) (string, error) {
	manifest := fmt.Sprintf(`
{apiVersion: v1, kind: ServiceAccount, metadata: {name: %[1]s, namespace: %[2]s}}
---
apiVersion: v1
kind: Pod
metadata: {name: %[1]s, namespace: %[2]s}
spec: {serviceAccountName: %[1]s, automountServiceAccountToken: false, containers: [{name: ui, image: example.com/ui}]}
---
apiVersion: v1
kind: Service
metadata: {name: %[1]s, namespace: %[2]s}
spec: {ports: [{name: http, port: %[3]d}]}
---
apiVersion: v1
kind: Endpoints
metadata: {name: %[1]s, namespace: %[2]s}
subsets:
- addresses: [{ip: %[4]s, targetRef: {kind: Pod, name: %[1]s, namespace: %[2]s}}]
  ports: [{name: http, port: %[5]s}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: %[1]s, namespace: %[2]s, labels: {kubernetes.io/service-name: %[1]s}}
addressType: IPv4
endpoints: [{addresses: [%[4]s], conditions: {ready: true}, targetRef: {kind: Pod, name: %[1]s, namespace: %[2]s}}]
ports: [{name: http, port: %[5]s}]
`, name, Namespace, PagesPort, address.Hostname(), address.Port())
	if _, err := plane.ApplyYAML(ctx, p.Config(), manifest); err != nil {
		return "", fmt.Errorf("publish the pages: %w", err)
	}
	client, err := kubernetes.NewForConfig(p.Config())
	if err != nil {
		return "", fmt.Errorf("make a client: %w", err)
	}
	status, err := json.Marshal(map[string]any{"status": corev1.PodStatus{
		Phase: corev1.PodRunning, PodIP: address.Hostname(), PodIPs: []corev1.PodIP{{IP: address.Hostname()}},
	}})
	if err != nil {
		return "", fmt.Errorf("write the status of the pod: %w", err)
	}
	pods := client.CoreV1().Pods(Namespace)
	if _, err := pods.Patch(ctx, name, types.MergePatchType, status, metav1.PatchOptions{}, "status"); err != nil {
		return "", fmt.Errorf("give the pod its address: %w", err)
	}
	return fmt.Sprintf("/api/v1/namespaces/%s/services/http:%s:%d/proxy/", Namespace, name, PagesPort), nil
}

// printed runs a command of the plugin that prints an address and serves there. It returns the address, and a
// function that ends the command as a signal does and returns its exit code. Its stderr goes to log.
func printed(args []string, log io.Writer) (address *url.URL, stop func() int, err error) {
	reader, writer := io.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	go func() {
		streams := genericiooptions.IOStreams{In: strings.NewReader(""), Out: writer, ErrOut: log}
		code := kubectlvip.Run(ctx, args, streams)
		_ = writer.Close() // never fails
		ended <- code
	}()
	stop = func() int {
		cancel()
		return <-ended
	}
	line, err := bufio.NewReader(reader).ReadString('\n')
	if err == nil {
		address, err = url.Parse(strings.TrimSpace(line))
	}
	if err != nil {
		return nil, nil, fmt.Errorf("kubectl vip %s prints no address and ends with %d: %w", args[0], stop(), err)
	}
	return address, stop, nil
}
