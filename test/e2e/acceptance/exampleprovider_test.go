package acceptance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

const (
	exampleGroup      = "ipam.example.com"
	examplePool       = "ExamplePool"
	globalExamplePool = "GlobalExamplePool"
	// These are the finalizers of Cluster API's IPAM contract.
	releaseAddress = "ipam.cluster.x-k8s.io/ReleaseAddress"
	protectAddress = "ipam.cluster.x-k8s.io/ProtectAddress"
)

// exampleCRD is a pool kind of another provider. Cluster API's contract requires only that it exists.
const exampleCRD = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: %[1]ss.ipam.example.com}
spec:
  group: ipam.example.com
  names: {kind: %[2]s, plural: %[1]ss, singular: %[1]s}
  scope: %[3]s
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              addresses: {type: array, items: {type: string}}
              trouble: {type: object, properties: {reason: {type: string}, message: {type: string}}}
`

// exampleProvider is an IPAM provider with its own pool kinds that keeps Cluster API's IPAM contract: it answers
// claims with IPAddresses, protects what it has assigned, takes back what is released, and reports in a claim's Ready
// condition. For namespaced pools it acts like a provider written against v1beta1 with conditions of the older form,
// as most are; for global ones like a provider that writes the newer form.
type exampleProvider struct {
	*env
	quiet    dynamic.Interface // suppresses the warnings that v1beta1 is deprecated
	mu       sync.Mutex
	failures []error
}

// startExampleProvider starts the provider and stops it with the test.
func startExampleProvider(t *testing.T, e *env) {
	t.Helper()
	config := e.Plane.Config()
	config.WarningHandler = rest.NoWarnings{}
	client, err := dynamic.NewForConfig(config)
	require.NoError(t, err)
	p := &exampleProvider{env: e, quiet: client}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		// Whenever something changes, it handles whatever there is, until ctx ends.
		_ = e.Await(ctx, func() error {
			p.work(ctx)
			return harness.ErrNotYet
		})
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		require.NoError(t, errors.Join(p.failures...), "the provider of the example pools")
	})
}

func (p *exampleProvider) work(ctx context.Context) {
	for _, claim := range p.ClaimsIn("") {
		if group, _, _ := unstructured.NestedString(claim.Object, "spec", "poolRef",
			"apiGroup"); group != exampleGroup {
			continue
		}
		err := p.handle(ctx, claim.GetNamespace(), claim.GetName())
		if err != nil && ctx.Err() == nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			p.mu.Lock()
			p.failures = append(p.failures, fmt.Errorf("claim %s: %w", claim.GetName(), err))
			p.mu.Unlock()
		}
	}
}

// handle reconciles a claim once.
func (p *exampleProvider) handle(ctx context.Context, namespace, name string) error {
	object, err := p.Claims(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	claim := &harness.Claim{Unstructured: object}
	switch {
	case claim.GetDeletionTimestamp() != nil:
		return p.release(ctx, claim)
	case claim.Address() != "":
		return nil
	case !slices.Contains(claim.GetFinalizers(), releaseAddress):
		finalizers := append(claim.GetFinalizers(), releaseAddress)
		return harness.Merge(ctx, p.Claims(namespace), name,
			map[string]any{"metadata": map[string]any{"finalizers": finalizers}})
	}
	return p.assign(ctx, claim)
}

func (p *exampleProvider) release(ctx context.Context, claim *harness.Claim) error {
	none := map[string]any{"metadata": map[string]any{"finalizers": nil}}
	addresses := p.Addresses(claim.GetNamespace())
	if err := harness.Delete(ctx, addresses, claim.GetName()); err != nil {
		return err
	}
	if err := harness.Merge(ctx, addresses, claim.GetName(), none); err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	return harness.Merge(ctx, p.Claims(claim.GetNamespace()), claim.GetName(), none)
}

func (p *exampleProvider) assign(ctx context.Context, claim *harness.Claim) error {
	pool, err := p.pool(ctx, claim)
	if err != nil {
		return err
	}
	if trouble, found, _ := unstructured.NestedStringMap(pool.Object, "spec", "trouble"); found {
		return p.tell(ctx, claim, false, trouble["reason"], trouble["message"])
	}
	value, err := p.free(ctx, pool)
	if err != nil {
		return err
	}
	if value == "" {
		return p.tell(ctx, claim, false, "PoolExhausted", "the appliance has no address left in "+pool.GetName())
	}
	ref, _, _ := unstructured.NestedMap(claim.Object, "spec", "poolRef")
	yes := true
	address := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": claim.GetAPIVersion(), "kind": "IPAddress",
		"spec": map[string]any{
			"address": value, "prefix": int64(24), "claimRef": map[string]any{"name": claim.GetName()}, "poolRef": ref,
		},
	}}
	address.SetNamespace(claim.GetNamespace())
	address.SetName(claim.GetName())
	address.SetFinalizers([]string{protectAddress})
	address.SetOwnerReferences([]metav1.OwnerReference{
		{
			APIVersion: claim.GetAPIVersion(), Kind: claim.GetKind(), Name: claim.GetName(), UID: claim.GetUID(),
			Controller: &yes, BlockOwnerDeletion: &yes,
		},
	})
	if _, err := p.Addresses(claim.GetNamespace()).Create(ctx, address, metav1.CreateOptions{}); err != nil &&
		!apierrors.IsAlreadyExists(err) {
		return err
	}
	status := map[string]any{"addressRef": map[string]any{"name": claim.GetName()}}
	if err := harness.Merge(
		ctx, p.Claims(claim.GetNamespace()), claim.GetName(), map[string]any{"status": status}, "status",
	); err != nil {
		return err
	}
	return p.tell(ctx, claim, true, "Allocated", "from "+pool.GetName())
}

// pool returns the pool that a claim refers to.
func (p *exampleProvider) pool(ctx context.Context, claim *harness.Claim) (*unstructured.Unstructured, error) {
	return examplePools(p.env, poolKind(claim), claim.GetNamespace()).Get(ctx, claim.Pool(), metav1.GetOptions{})
}

func poolKind(object interface{ UnstructuredContent() map[string]any }) string {
	kind, _, _ := unstructured.NestedString(object.UnstructuredContent(), "spec", "poolRef", "kind")
	return kind
}

// examplePools returns the client for the pools of a kind.
func examplePools(e *env, kind, namespace string) dynamic.ResourceInterface {
	resource := e.Dynamic.Resource(schema.GroupVersionResource{
		Group: exampleGroup, Version: "v1", Resource: strings.ToLower(kind) + "s",
	})
	if kind == globalExamplePool {
		return resource
	}
	return resource.Namespace(namespace)
}

// free returns the first address of a pool that no IPAddress holds, or "".
func (p *exampleProvider) free(ctx context.Context, pool *unstructured.Unstructured) (string, error) {
	list, err := p.Addresses(pool.GetNamespace()).List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", err
	}
	values, _, _ := unstructured.NestedStringSlice(pool.Object, "spec", "addresses")
	for i := range list.Items {
		name, _, _ := unstructured.NestedString(list.Items[i].Object, "spec", "poolRef", "name")
		if name == pool.GetName() && poolKind(&list.Items[i]) == pool.GetKind() {
			taken := (&harness.Address{Unstructured: &list.Items[i]}).Value()
			values = slices.DeleteFunc(values, func(value string) bool { return value == taken })
		}
	}
	return append(values, "")[0], nil
}

// tell writes the claim's Ready condition, in the form and at the version of the pool's provider.
func (p *exampleProvider) tell(ctx context.Context, claim *harness.Claim, ready bool, reason, message string) error {
	condition := map[string]any{
		"type": "Ready", "status": string(metav1.ConditionTrue), "reason": reason, "message": message,
		"lastTransitionTime": time.Now().UTC().Format(time.RFC3339),
	}
	if !ready {
		condition["status"] = string(metav1.ConditionFalse)
	}
	version, path := p.Version, []string{"status", "conditions"}
	switch older := poolKind(claim) == examplePool; {
	case older:
		version = "v1beta1"
		if !ready {
			condition["severity"] = "Error"
		}
	case p.Version == "v1beta1":
		path = []string{"status", "v1beta2", "conditions"}
	}
	target := p.quiet.Resource(schema.GroupVersionResource{
		Group: "ipam.cluster.x-k8s.io", Version: version, Resource: "ipaddressclaims",
	}).Namespace(claim.GetNamespace())
	current, err := target.Get(ctx, claim.GetName(), metav1.GetOptions{})
	if err != nil {
		return err
	}
	said, _, _ := unstructured.NestedSlice(current.Object, path...)
	if len(said) == 1 {
		if before, _ := said[0].(map[string]any); before["reason"] == reason && before["message"] == message {
			return nil // reported already
		}
	}
	patch := map[string]any{}
	if err := unstructured.SetNestedSlice(patch, []any{condition}, path...); err != nil {
		return err
	}
	return harness.Merge(ctx, target, claim.GetName(), patch, "status")
}

// exampleKinds makes the API server serve the pool kinds.
func (s *scope) exampleKinds() {
	s.t.Helper()
	for kind, where := range map[string]string{examplePool: "Namespaced", globalExamplePool: "Cluster"} {
		_, err := plane.ApplyYAML(s.t.Context(), s.Plane.Config(),
			fmt.Sprintf(exampleCRD, strings.ToLower(kind), kind, where))
		require.NoError(s.t, err)
	}
}

// removeExampleKind removes a pool kind, with all its pools.
func (s *scope) removeExampleKind(ctx context.Context, kind string) {
	s.t.Helper()
	require.NoError(s.t, harness.Delete(ctx, s.Dynamic.Resource(crdResource), strings.ToLower(kind)+"s."+exampleGroup))
}

// examplePool creates a pool of the test's class and returns its name.
func (s *scope) examplePool(kind, role string, addresses ...string) string {
	s.t.Helper()
	name := strings.ToLower(kind) + "-" + s.name
	const manifest = `{apiVersion: ipam.example.com/v1, kind: %s, metadata: {name: %s, %s ` +
		`labels: {vip.capi.gorizond.io/cluster-class: %s, vip.capi.gorizond.io/role: %s}}, spec: {addresses: [%s]}}`
	namespace := "namespace: " + s.name + ","
	if kind == globalExamplePool {
		namespace = ""
	}
	_, err := plane.ApplyYAML(s.t.Context(), s.Plane.Config(),
		fmt.Sprintf(manifest, kind, name, namespace, s.name, role, strings.Join(addresses, ", ")))
	require.NoError(s.t, err)
	return name
}

// changePool applies a merge patch to an example pool.
func (s *scope) changePool(kind, name string, patch map[string]any) {
	s.t.Helper()
	require.NoError(s.t, harness.Merge(s.t.Context(), examplePools(s.env, kind, s.name), name, patch))
}
