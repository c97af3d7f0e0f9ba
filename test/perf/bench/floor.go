package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
)

// floorWorkers matches how many Clusters the operator handles at once by default.
const floorWorkers = 10

// floor is the minimum that anyone could do: it sees a Cluster and creates two claims that only name the pool. The
// time until they are bound is the cost of Cluster API and the IPAM provider alone. If it also writes, it puts the
// endpoint on the Cluster with the smallest patch: then Cluster API continues as after anyone's VIP.
type floor struct {
	scene   *scene
	client  dynamic.Interface
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
	f := &floor{scene: s, client: client, stop: stop}
	queue := workqueue.NewTyped[task]()
	factory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(client, 0, s.name, nil)
	f.stopped = func() {
		factory.Shutdown()
		queue.ShutDown()
	}
	watched := map[string]func(*unstructured.Unstructured) task{
		clustersResource: func(cluster *unstructured.Unstructured) task { return task{cluster: cluster.GetName()} },
	}
	if s.bench.options.floorWrites {
		watched["ipaddresses"] = func(address *unstructured.Unstructured) task {
			cluster, found := strings.CutPrefix(address.GetName(), names.ClaimName("", names.RoleControlPlane))
			if !found {
				return task{}
			}
			host, _, _ := unstructured.NestedString(address.Object, "spec", "address")
			return task{cluster: cluster, host: host}
		}
	}
	for resource, taskFor := range watched {
		_, err := factory.ForResource(resources()[resource]).Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc: func(object any) {
				if object, ok := object.(*unstructured.Unstructured); ok {
					queue.Add(taskFor(object))
				}
			},
		})
		if err != nil {
			stop()
			return nil, fmt.Errorf("watch %s for the floor: %w", resource, err)
		}
	}
	factory.Start(ctx.Done())
	for range floorWorkers {
		f.working.Go(func() {
			for {
				task, quit := queue.Get()
				if quit {
					return
				}
				if err := f.do(ctx, task); err != nil && ctx.Err() == nil {
					f.mu.Lock()
					f.failure = fmt.Errorf("the floor cannot serve Cluster %s: %w", task.cluster, err)
					f.mu.Unlock()
				}
				queue.Done(task)
			}
		})
	}
	return f, nil
}

// task is one step for the floor: create the claims of a Cluster, or write its host if there is one.
type task struct{ cluster, host string }

func (f *floor) do(ctx context.Context, t task) error {
	switch {
	case t.cluster == "":
		return nil
	case t.host != "":
		patch := map[string]any{
			"spec": map[string]any{"controlPlaneEndpoint": map[string]any{"host": t.host, "port": 6443}},
		}
		return harness.Merge(ctx, f.client.Resource(resources()[clustersResource]).Namespace(f.scene.name),
			t.cluster, patch)
	}
	// The order is the operator's.
	return errors.Join(f.claim(ctx, t.cluster, names.RoleIngress), f.claim(ctx, t.cluster, names.RoleControlPlane))
}

func (f *floor) claim(ctx context.Context, cluster, role string) error {
	claim := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "ipam.cluster.x-k8s.io/v1beta2",
		"kind":       "IPAddressClaim",
		"metadata":   map[string]any{"name": names.ClaimName(cluster, role), "namespace": f.scene.name},
		"spec": map[string]any{"poolRef": map[string]any{
			"apiGroup": "ipam.cluster.x-k8s.io", "kind": "GlobalInClusterIPPool", "name": f.scene.poolName(role),
		}},
	}}
	_, err := f.client.Resource(resources()[claimsResource]).Namespace(f.scene.name).Create(ctx, claim,
		metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// close stops the floor and returns what went wrong.
func (f *floor) close() error {
	f.stop()
	f.stopped()
	f.working.Wait()
	return f.failure
}
