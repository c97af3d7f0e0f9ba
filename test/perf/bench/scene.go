package bench

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
	"github.com/gorizond/capi-vip-allocator/test/perf/measure"
)

const (
	// hands is how many Clusters a storm creates at once.
	hands = 16
	// clearTimeout bounds the removal of what a run made.
	clearTimeout = 30 * time.Minute
)

// sceneYAML is what a run needs before its Clusters: a namespace, a class and two pools of its own, so that no run
// meets used addresses or old objects. ${NET} is the second octet of the pools.
const sceneYAML = `
apiVersion: v1
kind: Namespace
metadata: {name: ${NAME}}
---
apiVersion: ipam.cluster.x-k8s.io/v1alpha2
kind: GlobalInClusterIPPool
metadata:
  name: ${NAME}-control-plane
  labels: {vip.capi.gorizond.io/cluster-class: ${NAME}, vip.capi.gorizond.io/role: control-plane}
spec: {addresses: [10.${NET}.0.1-10.${NET}.127.254], prefix: 16, gateway: 10.${NET}.255.254}
---
apiVersion: ipam.cluster.x-k8s.io/v1alpha2
kind: GlobalInClusterIPPool
metadata:
  name: ${NAME}-ingress
  labels: {vip.capi.gorizond.io/cluster-class: ${NAME}, vip.capi.gorizond.io/role: ingress}
spec: {addresses: [10.${NET}.128.1-10.${NET}.254.254], prefix: 16, gateway: 10.${NET}.255.254}
---
apiVersion: infrastructure.cluster.x-k8s.io/v1alpha1
kind: FakeInfraClusterTemplate
metadata: {name: ${NAME}, namespace: ${NAME}}
spec: {template: {spec: {}}}
---
apiVersion: controlplane.cluster.x-k8s.io/v1alpha1
kind: FakeControlPlaneTemplate
metadata: {name: ${NAME}, namespace: ${NAME}}
spec: {template: {spec: {}}}
---
apiVersion: cluster.x-k8s.io/v1beta2
kind: ClusterClass
metadata: {name: ${NAME}, namespace: ${NAME}}
spec:
  infrastructure:
    templateRef:
      {apiVersion: infrastructure.cluster.x-k8s.io/v1alpha1, kind: FakeInfraClusterTemplate, name: ${NAME}}
  controlPlane:
    templateRef:
      {apiVersion: controlplane.cluster.x-k8s.io/v1alpha1, kind: FakeControlPlaneTemplate, name: ${NAME}}
`

// These kinds matter most, by resource.
const (
	clustersResource = "clusters"
	claimsResource   = "ipaddressclaims"
)

// resources returns the kinds that the runs handle.
func resources() map[string]schema.GroupVersionResource {
	list := map[string]schema.GroupVersionResource{}
	for _, resource := range []schema.GroupVersionResource{
		{Group: "cluster.x-k8s.io", Version: "v1beta2", Resource: clustersResource},
		{Group: "cluster.x-k8s.io", Version: "v1beta2", Resource: "clusterclasses"},
		{Group: "ipam.cluster.x-k8s.io", Version: "v1beta2", Resource: claimsResource},
		{Group: "ipam.cluster.x-k8s.io", Version: "v1beta2", Resource: "ipaddresses"},
	} {
		list[resource.Resource] = resource
	}
	return list
}

// scene is where one run takes place.
type scene struct {
	bench *bench
	name  string
}

// poolName returns the name of the pool of a role.
func (s *scene) poolName(role string) string { return s.name + "-" + role }

// newScene creates the scene of a run and waits until Cluster API has accepted its class.
func (b *bench) newScene(ctx context.Context) (*scene, error) {
	b.scenes++
	s := &scene{bench: b, name: fmt.Sprintf("bench-%d", b.scenes)}
	yaml := strings.NewReplacer("${NAME}", s.name, "${NET}", strconv.Itoa(b.scenes)).Replace(sceneYAML)
	if _, err := plane.ApplyYAML(ctx, b.plane.Config(), yaml); err != nil {
		return nil, fmt.Errorf("prepare run %s: %w", s.name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err := plane.Eventually(ctx, func(ctx context.Context) error {
		class, err := b.client.Resource(resources()["clusterclasses"]).Namespace(s.name).Get(ctx, s.name,
			metav1.GetOptions{})
		if err != nil {
			return err
		}
		observed, _, _ := unstructured.NestedInt64(class.Object, "status", "observedGeneration")
		if observed != class.GetGeneration() {
			return fmt.Errorf("ClusterClass %s is not reconciled; see the log of Cluster API in %s",
				s.name, b.plane.Dir())
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("prepare run %s: %w", s.name, err)
	}
	return s, nil
}

func clusterName(i int) string { return fmt.Sprintf("c%04d", i) }

// create creates one Cluster.
func (s *scene) create(ctx context.Context, seen *observer, i int) error {
	name := clusterName(i)
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "cluster.x-k8s.io/v1beta2",
		"kind":       "Cluster",
		"metadata":   map[string]any{"name": name, "namespace": s.name},
		"spec": map[string]any{"topology": map[string]any{
			"classRef":     map[string]any{"name": s.name},
			"version":      "v1.33.0",
			"controlPlane": map[string]any{"replicas": int64(3)},
		}},
	}}
	seen.expect(name)
	clusters := s.bench.client.Resource(resources()[clustersResource]).Namespace(s.name)
	if _, err := clusters.Create(ctx, object, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("create Cluster %s: %w", name, err)
	}
	seen.exists(name)
	return nil
}

// createAll creates many Clusters, as fast as the API server accepts them.
func (s *scene) createAll(ctx context.Context, seen *observer, count int) error {
	return atOnce(ctx, count, func(ctx context.Context, i int) error { return s.create(ctx, seen, i) })
}

// atOnce calls do for each number below count, as many at once as there are hands.
func atOnce(ctx context.Context, count int, do func(context.Context, int) error) error {
	indexes := make([]int, count)
	for i := range indexes {
		indexes[i] = i
	}
	return measure.AtOnce(ctx, hands, indexes, do)
}

// clear deletes the scene's Clusters and the claims that nobody owns, and waits until nothing is left.
func (s *scene) clear(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, clearTimeout)
	defer cancel()
	for resource, options := range map[string]metav1.ListOptions{
		clustersResource: {},
		claimsResource:   {LabelSelector: "!" + names.Role},
	} {
		// One by one: the API server gives the deletion of a whole collection no more time than any other request.
		target := s.bench.client.Resource(resources()[resource]).Namespace(s.name)
		list, err := target.List(ctx, options)
		if err != nil {
			return fmt.Errorf("clean up after %s: %w", s.name, err)
		}
		err = measure.AtOnce(ctx, hands, list.Items, func(ctx context.Context, object unstructured.Unstructured) error {
			return harness.Delete(ctx, target, object.GetName())
		})
		if err != nil {
			return fmt.Errorf("clean up after %s: %w", s.name, err)
		}
	}
	for _, resource := range []string{clustersResource, claimsResource, "ipaddresses"} {
		if err := s.awaitEmpty(ctx, resource); err != nil {
			return fmt.Errorf("clean up after %s: %w", s.name, err)
		}
	}
	return nil
}

// awaitEmpty waits until no object of a kind is left. It polls only once a second: the plane is busy enough.
func (s *scene) awaitEmpty(ctx context.Context, resource string) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		left, err := s.bench.client.Resource(resources()[resource]).Namespace(s.name).List(ctx, metav1.ListOptions{
			Limit: 1,
		})
		if err != nil {
			return err
		}
		if len(left.Items) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s such as %s are still there (finalizers %v): %w",
				resource, left.Items[0].GetName(), left.Items[0].GetFinalizers(), ctx.Err())
		case <-ticker.C:
		}
	}
}
