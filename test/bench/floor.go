package main

import (
	"context"
	"fmt"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// floorWorkers is as many as the operator's default of Clusters at once.
const floorWorkers = 10

// floor is the least that anybody could do: it sees a Cluster and creates two claims that say no more than the pool.
// What it takes until they are bound is what Cluster API and the IPAM provider cost by themselves.
type floor struct {
	scene   *scene
	claims  dynamic.ResourceInterface
	stop    context.CancelFunc
	stopped func()
	working sync.WaitGroup

	mu      sync.Mutex
	failure error
}

func startFloor(ctx context.Context, s *scene) (*floor, error) {
	config := s.bench.plane.Config()
	config.UserAgent = "bench-floor"
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make the client of the floor: %w", err)
	}
	ctx, stop := context.WithCancel(ctx)
	f := &floor{scene: s, claims: client.Resource(resources()[claimsResource]).Namespace(s.name), stop: stop}
	queue := workqueue.NewTyped[string]()
	factory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(client, 0, s.name, nil)
	_, err = factory.ForResource(resources()[clustersResource]).Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(object any) {
			if cluster, ok := object.(*unstructured.Unstructured); ok {
				queue.Add(cluster.GetName())
			}
		},
	})
	if err != nil {
		stop()
		return nil, fmt.Errorf("watch Clusters for the floor: %w", err)
	}
	factory.Start(ctx.Done())
	f.stopped = func() {
		factory.Shutdown()
		queue.ShutDown()
	}
	for range floorWorkers {
		f.working.Go(func() {
			for {
				cluster, quit := queue.Get()
				if quit {
					return
				}
				f.claim(ctx, cluster)
				queue.Done(cluster)
			}
		})
	}
	return f, nil
}

// claim creates the claims of a Cluster in the operator's order.
func (f *floor) claim(ctx context.Context, cluster string) {
	for _, role := range []string{names.RoleIngress, names.RoleControlPlane} {
		claim := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "ipam.cluster.x-k8s.io/v1beta2",
			"kind":       "IPAddressClaim",
			"metadata":   map[string]any{"name": names.ClaimName(cluster, role), "namespace": f.scene.name},
			"spec": map[string]any{"poolRef": map[string]any{
				"apiGroup": "ipam.cluster.x-k8s.io", "kind": "GlobalInClusterIPPool", "name": f.scene.poolName(role),
			}},
		}}
		if _, err := f.claims.Create(ctx, claim, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) && ctx.Err() == nil {
			f.mu.Lock()
			f.failure = fmt.Errorf("the floor cannot create claim %s: %w", claim.GetName(), err)
			f.mu.Unlock()
		}
	}
}

// close ends the floor and returns what went wrong.
func (f *floor) close() error {
	f.stop()
	f.stopped()
	f.working.Wait()
	return f.failure
}
