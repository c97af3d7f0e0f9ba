package plane

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"

	"github.com/gorizond/capi-vip-allocator/test/env/plane/internal/manifest"
)

// fakeCRDs are the kinds of the fake infrastructure and control plane providers.
//
//go:embed fakes.yaml
var fakeCRDs []byte

// InstallCAPI installs what Cluster API core needs before it starts: CRDs, including those of claims and addresses,
// webhook configurations, roles and its service account. Calling it again is fine.
func (p *Plane) InstallCAPI(ctx context.Context) error {
	return p.installAndNotice(ctx, p.installCAPI)
}

// InstallIPAM does the same for the in-cluster IPAM provider.
func (p *Plane) InstallIPAM(ctx context.Context) error {
	return p.installAndNotice(ctx, p.installIPAM)
}

// InstallFakes installs the kinds of the fake providers.
func (p *Plane) InstallFakes(ctx context.Context) error {
	return p.installAndNotice(ctx, p.installFakes)
}

// installAndNotice restarts the controller manager after an installation: its garbage collector looks for new kinds
// only every 30 seconds, and would ignore their objects until then.
func (p *Plane) installAndNotice(ctx context.Context, install func(context.Context) error) error {
	if err := install(ctx); err != nil {
		return err
	}
	if !p.runners[ControllerManager].status().Running {
		return nil
	}
	return p.RestartComponent(ctx, ControllerManager)
}

// installAll installs everything that the options do not leave out, before anything that watches it starts.
func (p *Plane) installAll(ctx context.Context) error {
	begin := time.Now()
	steps := map[Component]func(context.Context) error{
		CAPI: p.installCAPI, IPAM: p.installIPAM, FakeProvider: p.installFakes,
	}
	var group sync.WaitGroup
	failures := make(chan error, len(steps)+1)
	group.Go(func() { failures <- p.installProviders(ctx) })
	for name, step := range steps {
		if !contains(p.options.Without, name) {
			group.Go(func() { failures <- step(ctx) })
		}
	}
	group.Wait()
	close(failures)
	var all []error
	for err := range failures {
		all = append(all, err)
	}
	if err := errors.Join(all...); err != nil {
		return err
	}
	p.logf("CRDs, webhooks and roles are installed (%s)", time.Since(begin).Round(time.Millisecond))
	return nil
}

func (p *Plane) installCAPI(ctx context.Context) error {
	provider := p.provider("cluster-api", "capi-", capiNamespace, capiAccount, p.ports.capiWebhook)
	if err := p.installProvider(ctx, provider, p.binaries.capiManifests, capiNamespace, capiAccount); err != nil {
		return err
	}
	if version := p.options.Stack.unserved(); version != "" {
		return p.Serve(ctx, version, false)
	}
	return nil
}

func (p *Plane) installIPAM(ctx context.Context) error {
	provider := p.provider("ipam-in-cluster", "capi-ipam-in-cluster-", ipamNamespace, ipamAccount, p.ports.ipamWebhook)
	return p.installProvider(ctx, provider, p.binaries.ipamManifests, ipamNamespace, ipamAccount)
}

func (p *Plane) installFakes(ctx context.Context) error {
	objects, err := manifest.Parse(fakeCRDs)
	if err != nil {
		return fmt.Errorf("read the kinds of the fake providers: %w", err)
	}
	return p.install(ctx, objects)
}

func (p *Plane) provider(name, prefix, namespace, account string, port int) manifest.Provider {
	return manifest.Provider{
		Name:       name,
		Prefix:     prefix,
		User:       ServiceAccountIdentity(namespace, account).User,
		WebhookURL: "https://" + address(port),
		CABundle:   p.authority.PEM(),
	}
}

func (p *Plane) installProvider(ctx context.Context, provider manifest.Provider, dir, namespace, account string) error {
	objects, err := provider.Load(dir)
	if err != nil {
		return err
	}
	home := []*unstructured.Unstructured{
		{Object: map[string]any{
			"apiVersion": "v1", "kind": "Namespace",
			"metadata": map[string]any{"name": namespace},
		}},
		{Object: map[string]any{
			"apiVersion": "v1", "kind": "ServiceAccount",
			"metadata": map[string]any{"name": account, "namespace": namespace},
		}},
	}
	return p.install(ctx, append(home, objects...))
}

// install creates the CRDs side by side, then applies the rest in order.
func (p *Plane) install(ctx context.Context, objects []*unstructured.Unstructured) error {
	client, err := dynamic.NewForConfig(p.admin)
	if err != nil {
		return fmt.Errorf("create a client: %w", err)
	}
	failures := make([]error, len(objects))
	var rest []*unstructured.Unstructured
	var group sync.WaitGroup
	for i, object := range objects {
		if object.GetKind() != "CustomResourceDefinition" {
			rest = append(rest, object)
			continue
		}
		group.Go(func() { failures[i] = createCRD(ctx, client, object) })
	}
	group.Wait()
	if err := errors.Join(failures...); err != nil {
		return err
	}
	applier, err := newApplier(p.admin)
	if err != nil {
		return err
	}
	for _, object := range rest {
		if _, err := applier.apply(ctx, object); err != nil {
			return err
		}
	}
	return nil
}
