package scale

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
	"github.com/gorizond/capi-vip-allocator/test/perf/measure"
)

const (
	// perTenant is how many Clusters share a namespace, a class and two pools, so that the number of all these grows
	// with the Clusters.
	perTenant = 100
	// maxClusters is how many Clusters there are addresses for.
	maxClusters = 200 * 256 * perTenant
	// hands is how many Clusters are copied at once.
	hands = 32
	// tell is how often progress is reported.
	tell = 10 * time.Second
)

// tenant has perTenant Clusters.
type tenant struct {
	number int
	// poolUIDs are the UIDs of its pools, by role.
	poolUIDs map[string]string
}

func (t tenant) name() string { return fmt.Sprintf("tenant-%05d", t.number) }

// address returns the address of one of the tenant's Clusters: each tenant has its own network, whose lower half is
// for the control planes.
func (t tenant) address(role string, cluster int) string {
	host := 1 + cluster
	if role != names.RoleControlPlane {
		host += 128
	}
	return fmt.Sprintf("10.%d.%d.%d", t.number/256, t.number%256, host)
}

func (t tenant) pool(role string) harness.NewPool {
	return harness.NewPool{
		Name: poolName(t.name(), role), Class: t.name(), Role: role,
		Addresses: []string{t.address(role, 0) + "-" + t.address(role, perTenant-1)},
	}
}

func tenants(clusters int) int { return (clusters + perTenant - 1) / perTenant }

// fill adds copies of the model until there are size Clusters.
func (g *rig) fill(ctx context.Context, size int) error {
	begin := time.Now()
	all := make([]tenant, tenants(size))
	err := measure.AtOnce(ctx, hands, numbers(0, len(all)), func(ctx context.Context, i int) (err error) {
		all[i], err = g.tenant(ctx, i)
		return err
	})
	if err != nil {
		return err
	}
	var done atomic.Int64
	stop := g.tellProgress(&done, size-g.filled)
	defer stop()
	err = measure.AtOnce(ctx, hands, numbers(g.filled, size), func(ctx context.Context, i int) error {
		defer done.Add(1)
		return g.copy(ctx, all[i/perTenant], i)
	})
	if err != nil {
		return err
	}
	g.say("  %d Clusters added after %s", size-g.filled, measure.Seconds(time.Since(begin)))
	g.filled = size
	return nil
}

func numbers(from, to int) []int {
	list := make([]int, 0, to-from)
	for i := from; i < to; i++ {
		list = append(list, i)
	}
	return list
}

// tellProgress reports progress now and then until it is stopped.
func (g *rig) tellProgress(done *atomic.Int64, of int) (stop func()) {
	ticker := time.NewTicker(tell)
	ended := make(chan struct{})
	go func() {
		for {
			select {
			case <-ticker.C:
				g.say("  %d of %d Clusters", done.Load(), of)
			case <-ended:
				return
			}
		}
	}()
	return func() {
		ticker.Stop()
		close(ended)
	}
}

// tenant creates a tenant with namespace, class and pools, unless they exist.
func (g *rig) tenant(ctx context.Context, number int) (tenant, error) {
	t := tenant{number: number, poolUIDs: map[string]string{}}
	manifests := []string{fmt.Sprintf("{apiVersion: v1, kind: Namespace, metadata: {name: %s}}", t.name())}
	for _, role := range roles() {
		for _, manifest := range t.pool(role).Manifests(clusters.Version) {
			text, err := json.Marshal(manifest)
			if err != nil {
				return t, fmt.Errorf("encode a pool: %w", err)
			}
			manifests = append(manifests, string(text))
		}
	}
	applied, err := plane.ApplyYAML(ctx, g.plane.Config(), manifests...)
	if err != nil {
		return t, err
	}
	for i, role := range roles() {
		t.poolUIDs[role] = string(applied[i+1].GetUID())
	}
	if number < tenants(g.filled) {
		return t, nil
	}
	_, err = g.instantiate(ctx, g.model.class, t.name(), modelTenant, t.name())
	return t, err
}

// copy copies the model's Cluster, with its claims and their addresses, and the record of its claims.
func (g *rig) copy(ctx context.Context, t tenant, number int) error {
	m, name := g.model, fmt.Sprintf("c%06d", number)
	texts := []string{modelTenant, t.name(), modelCluster, name}
	for _, role := range roles() {
		texts = append(texts, m.values[role], t.address(role, number%perTenant), m.poolUIDs[role], t.poolUIDs[role])
	}
	uid, err := g.instantiate(ctx, m.cluster, t.name(), texts...)
	if err != nil {
		return err
	}
	texts = append(texts, m.clusterUID, uid)
	for _, role := range roles() {
		uid, err := g.instantiate(ctx, m.claims[role], t.name(), texts...)
		if err != nil {
			return err
		}
		texts = append(texts, m.claimUIDs[role], uid)
		if _, err := g.instantiate(ctx, m.addresses[role], t.name(), texts...); err != nil {
			return err
		}
	}
	record := fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, names.Claims,
		strings.NewReplacer(texts...).Replace(m.record))
	target := g.client.Resource(clusters).Namespace(t.name())
	_, err = target.Patch(ctx, name, types.MergePatchType, []byte(record), metav1.PatchOptions{})
	return err
}

// instantiate creates an object from a template, replacing each text by the one that follows it, writes its status,
// and returns its UID.
func (g *rig) instantiate(ctx context.Context, t template, namespace string, texts ...string) (string, error) {
	path := fmt.Sprintf("/apis/%s/%s/namespaces/%s/%s",
		t.resource.Group, t.resource.Version, namespace, t.resource.Resource)
	answer, err := g.raw.Post().AbsPath(path).SetHeader("Content-Type", "application/json").
		Body([]byte(strings.NewReplacer(texts...).Replace(t.created))).DoRaw(ctx)
	if err != nil {
		return "", fmt.Errorf("create one of %s in %s: %w: %s", t.resource.Resource, namespace, err, answer)
	}
	var object struct {
		Metadata struct{ Name, UID, ResourceVersion string }
	}
	if err := json.Unmarshal(answer, &object); err != nil {
		return "", fmt.Errorf("read the answer to the creation of %s: %w", t.resource.Resource, err)
	}
	if t.updated == "" {
		return object.Metadata.UID, nil
	}
	texts = append(
		[]string{uidPlaceholder, object.Metadata.UID, versionPlaceholder, object.Metadata.ResourceVersion}, texts...,
	)
	answer, err = g.raw.Put().AbsPath(path, object.Metadata.Name, "status").
		SetHeader("Content-Type", "application/json").
		Body([]byte(strings.NewReplacer(texts...).Replace(t.updated))).DoRaw(ctx)
	if err != nil {
		return "", fmt.Errorf("write the status of %s %s: %w: %s",
			t.resource.Resource, object.Metadata.Name, err, answer)
	}
	return object.Metadata.UID, nil
}
