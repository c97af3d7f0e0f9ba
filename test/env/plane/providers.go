package plane

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gorizond/capi-vip-allocator/test/env/plane/internal/build"
	"github.com/gorizond/capi-vip-allocator/test/env/plane/internal/manifest"
	"github.com/gorizond/capi-vip-allocator/test/env/plane/internal/proc"
)

// Provider names real providers that a plane can run beside the fake ones, as they are released.
type Provider string

// The providers. All of them need StackCurrent.
const (
	// Kubeadm is Cluster API's own bootstrap and control plane provider.
	Kubeadm Provider = "kubeadm"
	// VSphere is the infrastructure provider of vSphere, with a simulated vCenter, see VCenter.
	VSphere Provider = "vsphere"
	// RKE2 is the bootstrap and control plane provider of RKE2.
	RKE2 Provider = "rke2"
)

// Providers lists all providers.
func Providers() []Provider { return []Provider{Kubeadm, VSphere, RKE2} }

// ParseProviders reads a list such as kubeadm,vsphere; the empty list has none.
func ParseProviders(list string) ([]Provider, error) {
	var providers []Provider
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name != "" {
			providers = append(providers, Provider(name))
		}
	}
	return providers, checkProviders(providers)
}

func checkProviders(providers []Provider) error {
	for _, provider := range providers {
		if !slices.Contains(Providers(), provider) {
			return fmt.Errorf("unknown provider %q: choose from %v", provider, Providers())
		}
	}
	return nil
}

// part is one process of a provider.
type part struct {
	component Component
	provider  Provider
	group     build.Group
	// label, namespace and account are those of its release; empty for a part that does not talk to the API server.
	label, namespace, account string
	// flags come on top of those that all controllers have.
	flags []string
}

// parts returns the processes of all providers, in start order.
func parts() []part {
	const gates = "--feature-gates=ClusterTopology=true"
	return []part{
		{component: Simulator, provider: VSphere, group: build.VCenterSimulator()},
		{
			component: KubeadmBootstrap, provider: Kubeadm, group: build.KubeadmProviders(), label: "bootstrap-kubeadm",
			namespace: "capi-kubeadm-bootstrap-system", account: "capi-kubeadm-bootstrap-manager",
			flags: []string{"--kubeadmconfig-concurrency=" + concurrency, fastClient, burstingClient},
		},
		{
			component: KubeadmControlPlane, provider: Kubeadm, group: build.KubeadmProviders(),
			label:     "control-plane-kubeadm",
			namespace: "capi-kubeadm-control-plane-system", account: "capi-kubeadm-control-plane-manager",
			flags: []string{gates, "--kubeadmcontrolplane-concurrency=" + concurrency, fastClient, burstingClient},
		},
		{
			component: CAPV, provider: VSphere, group: build.VSphereProvider(), label: "infrastructure-vsphere",
			namespace: "capv-system", account: "capv-manager",
			flags: []string{"--credentials-file=" + vSphereCredentials, fastClient, burstingClient},
		},
		{
			component: RKE2Bootstrap, provider: RKE2, group: build.RKE2Providers(), label: "bootstrap-rke2",
			namespace: "rke2-bootstrap-system", account: "rke2-bootstrap-manager",
			flags: []string{gates, "--concurrency=" + concurrency},
		},
		{
			component: RKE2ControlPlane, provider: RKE2, group: build.RKE2Providers(), label: "control-plane-rke2",
			namespace: "rke2-control-plane-system", account: "rke2-control-plane-manager",
			flags: []string{"--concurrency=" + concurrency},
		},
	}
}

// wanted returns the parts of the providers that the options ask for.
func (o Options) wanted() []part {
	var wanted []part
	for _, part := range parts() {
		if slices.Contains(o.Providers, part.provider) {
			wanted = append(wanted, part)
		}
	}
	return wanted
}

// providers builds what the providers that the options ask for still need.
func (b *binaries) providers(ctx context.Context, builder *build.Builder, options Options) error {
	wanted := options.wanted()
	if len(wanted) == 0 {
		return nil
	}
	options.Providers = nil
	kubectl, err := Kubectl(ctx, options)
	if err != nil {
		return err
	}
	for _, part := range wanted {
		name := string(part.component)
		artifacts, err := builder.Ensure(ctx, part.group, name)
		if err != nil {
			return err
		}
		b.programs[part.component], b.versions[part.component] = artifacts.Binaries[name], artifacts.Version
		if part.account == "" {
			continue
		}
		if b.released[part.component], err = builder.Released(ctx, part.group, name, kubectl); err != nil {
			return err
		}
	}
	return nil
}

// pair are the two ports of a part: health and webhooks, or for the vCenter the list of machines and its interfaces.
type pair struct{ side, main int }

// reservePairs reserves two ports for each of the parts.
func reservePairs(reservation *proc.Ports, parts []part) (map[Component]pair, error) {
	numbers, err := reservation.Reserve(2 * len(parts))
	if err != nil {
		return nil, err
	}
	pairs := map[Component]pair{}
	for i, part := range parts {
		pairs[part.component] = pair{side: numbers[2*i], main: numbers[2*i+1]}
	}
	return pairs, nil
}

// addProviders makes the processes of the providers that the options ask for.
func (p *Plane) addProviders() {
	for _, part := range p.options.wanted() {
		if part.component == Simulator {
			p.addVCenter()
			continue
		}
		ports := p.ports.providers[part.component]
		args := append([]string{
			"--kubeconfig=" + p.kubeconfigPath(tokenUser(part.namespace, part.account)),
			"--health-addr=" + address(ports.side),
			"--webhook-port=" + strconv.Itoa(ports.main),
			"--webhook-cert-dir=" + p.path("pki", "webhook"),
			"--diagnostics-address=0",
			"--leader-elect=false",
			"--v=1",
		}, part.flags...)
		p.addProcess(part.component, args, p.serves(ports.side, ports.main))
	}
}

// installProviders installs what the providers need before they are started, and gives each a kubeconfig.
func (p *Plane) installProviders(ctx context.Context) error {
	wanted := p.options.wanted()
	failures := make([]error, len(wanted))
	var group sync.WaitGroup
	for i, part := range wanted {
		if part.account != "" {
			group.Go(func() { failures[i] = p.installPart(ctx, part) })
		}
	}
	group.Wait()
	return errors.Join(failures...)
}

func (p *Plane) installPart(ctx context.Context, part part) error {
	provider := manifest.Provider{
		Name: part.label, WebhookURL: "https://" + address(p.ports.providers[part.component].main),
		CABundle: p.authority.PEM(),
	}
	objects, err := provider.Released(p.binaries.released[part.component])
	if err != nil {
		return err
	}
	// The namespace comes first: everything else may be in it.
	slices.SortStableFunc(objects, func(a, b *unstructured.Unstructured) int { return rank(a) - rank(b) })
	if err := p.install(ctx, objects); err != nil {
		return err
	}
	_, err = p.ServiceAccountKubeconfig(ctx, part.namespace, part.account)
	return err
}

func rank(object *unstructured.Unstructured) int {
	if object.GetKind() == "Namespace" {
		return 0
	}
	return 1
}
