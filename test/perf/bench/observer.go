package bench

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// moments are the times at which one client saw what happened to a Cluster. Zero means not yet.
type moments struct {
	asked, created                time.Time
	boundControlPlane, boundOther time.Time
	endpoint, ingress             time.Time
}

// bound reports whether the claims of both roles have their addresses.
func (m *moments) bound() bool { return !m.boundControlPlane.IsZero() && !m.boundOther.IsZero() }

// boundAndWritten reports whether the endpoint is written as well.
func (m *moments) boundAndWritten() bool { return m.bound() && !m.endpoint.IsZero() }

// served reports whether both VIPs are written to the Cluster.
func (m *moments) served() bool { return !m.endpoint.IsZero() && !m.ingress.IsZero() }

// observer watches the Clusters and claims of one namespace over one connection and records when it saw what. If a
// busy API server ends a watch, a new one continues from there, as for every client.
type observer struct {
	done func(*moments) bool

	mu       sync.Mutex
	clusters map[string]*moments
	owners   map[string]string
	stop     context.CancelFunc
	stopped  func()
}

// observe starts an observer; done reports whether a Cluster has everything that its run must give it.
func observe(
	ctx context.Context, client dynamic.Interface, namespace string, done func(*moments) bool,
) (*observer, error) {
	ctx, stop := context.WithCancel(ctx)
	factory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(client, 0, namespace, nil)
	o := &observer{
		done: done, clusters: map[string]*moments{}, owners: map[string]string{}, stop: stop, stopped: factory.Shutdown,
	}
	for resource, note := range map[string]func(*unstructured.Unstructured, time.Time){
		clustersResource: o.cluster, claimsResource: o.claim,
	} {
		changed := func(object any) { o.changed(object, note) }
		_, err := factory.ForResource(resources()[resource]).Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc: changed, UpdateFunc: func(_, object any) { changed(object) },
		})
		if err != nil {
			stop()
			return nil, fmt.Errorf("watch %s: %w", resource, err)
		}
	}
	factory.Start(ctx.Done())
	for resource, synced := range factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			o.close()
			return nil, fmt.Errorf("watch %s: %w", resource.Resource, context.Cause(ctx))
		}
	}
	return o, nil
}

// close ends the watches.
func (o *observer) close() {
	o.stop()
	o.stopped()
}

func (o *observer) changed(object any, note func(*unstructured.Unstructured, time.Time)) {
	now := time.Now()
	if object, ok := object.(*unstructured.Unstructured); ok {
		o.mu.Lock()
		defer o.mu.Unlock()
		note(object, now)
	}
}

// expect announces a Cluster that is about to be created, with claims named as the operator names them.
func (o *observer) expect(cluster string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.owners[names.ClaimName(cluster, names.RoleControlPlane)] = cluster
	o.owners[names.ClaimName(cluster, names.RoleIngress)] = cluster
	o.of(cluster).asked = time.Now()
}

// exists records that the creation of a Cluster was answered.
func (o *observer) exists(cluster string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.of(cluster).created = time.Now()
}

func (o *observer) of(cluster string) *moments {
	m, ok := o.clusters[cluster]
	if !ok {
		m = &moments{}
		o.clusters[cluster] = m
	}
	return m
}

func (o *observer) cluster(object *unstructured.Unstructured, now time.Time) {
	m := o.of(object.GetName())
	if host, _, _ := unstructured.NestedString(object.Object, "spec", "controlPlaneEndpoint", "host"); host != "" &&
		m.endpoint.IsZero() {
		m.endpoint = now
	}
	if object.GetAnnotations()[names.Annotation(names.RoleIngress)] != "" && m.ingress.IsZero() {
		m.ingress = now
	}
}

func (o *observer) claim(object *unstructured.Unstructured, now time.Time) {
	cluster, ok := o.owners[object.GetName()]
	address, _, _ := unstructured.NestedString(object.Object, "status", "addressRef", "name")
	if !ok || address == "" {
		return
	}
	m := o.of(cluster)
	moment := &m.boundOther
	if object.GetName() == names.ClaimName(cluster, names.RoleControlPlane) {
		moment = &m.boundControlPlane
	}
	if moment.IsZero() {
		*moment = now
	}
}

// missing returns how many Clusters are not done yet.
func (o *observer) missing() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	missing := 0
	for _, m := range o.clusters {
		if !o.done(m) {
			missing++
		}
	}
	return missing
}

// all returns what was seen of all Clusters. Call it after close.
func (o *observer) all() []*moments {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := make([]*moments, 0, len(o.clusters))
	for _, m := range o.clusters {
		list = append(list, m)
	}
	return list
}

// one returns a copy of what was seen of one Cluster.
func (o *observer) one(cluster string) moments {
	o.mu.Lock()
	defer o.mu.Unlock()
	return *o.of(cluster)
}

// toBound, toEndpoint and toIngress count from the response to the creation, share from the address to the endpoint.
func (m *moments) toBound() time.Duration {
	if m.boundOther.After(m.boundControlPlane) {
		return m.boundOther.Sub(m.created)
	}
	return m.boundControlPlane.Sub(m.created)
}
func (m *moments) toEndpoint() time.Duration { return m.endpoint.Sub(m.created) }
func (m *moments) toIngress() time.Duration  { return m.ingress.Sub(m.created) }
func (m *moments) share() time.Duration      { return m.endpoint.Sub(m.boundControlPlane) }
