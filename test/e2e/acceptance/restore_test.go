package acceptance

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// TestRestore restores Clusters from a backup after all of them were lost, in the order of Velero: alphabetical,
// claims before addresses, and Clusters last, without status, UIDs and owners.
func TestRestore(t *testing.T) {
	e := onPlane(t)
	t.Run("if operator and provider run meanwhile, should adopt everything as it was", func(t *testing.T) {
		s := newScope(t, e, runOperator(t, e))
		backup := s.lose()
		mark := s.mark()
		s.restore(backup.objects)
		s.restored(backup, mark)
	})
	t.Run("if the provider stops after the pools, "+
		"should wait for it and then adopt everything as it was", func(t *testing.T) {
		s := newScope(t, e, runOperator(t, e))
		backup := s.lose()
		pools, rest := backup.pools()
		mark := s.mark()
		s.restore(pools) // its webhook checks them
		require.NoError(t, e.Plane.StopComponent(t.Context(), plane.IPAM))
		t.Cleanup(func() { _ = e.Plane.StartComponent(context.Background(), plane.IPAM) }) // it may run again already
		s.restore(rest)
		s.sees("one", condition(controlPlane, names.ReasonWaitingForIPAddress), endpoint(s.ip(11), 6443))
		require.NoError(t, e.Plane.StartComponent(t.Context(), plane.IPAM))
		s.restored(backup, mark)
	})
	t.Run("if the operator starts when all is restored, should adopt everything as it was", func(t *testing.T) {
		s := newScope(t, e, runOperator(t, e))
		backup := s.lose()
		mark := s.mark()
		stop(t, s.operator)
		s.restore(backup.objects)
		s.operator = runOperator(t, e)
		t.Cleanup(s.end)
		s.restored(backup, mark)
	})
	t.Run("if the Clusters have lost their annotations in the backup, "+
		"should know them by the addresses of their claims", func(t *testing.T) {
		s := newScope(t, e, runOperator(t, e))
		backup := s.lose()
		for _, object := range backup.objects {
			if object.GetKind() == "Cluster" {
				object.SetAnnotations(nil)
			}
		}
		mark := s.mark()
		s.restore(backup.objects)
		s.restored(backup, mark)
	})
	t.Run("if the backup keeps owners that do not exist any more, "+
		"should overwrite nothing and say what is wrong", func(t *testing.T) {
		s := newScope(t, e, runOperator(t, e))
		backup := s.lose()
		for _, object := range backup.objects {
			if kind := object.GetKind(); kind == "IPAddressClaim" || kind == "IPAddress" {
				object.SetOwnerReferences(backup.owners[kind+"/"+object.GetName()])
			}
		}
		s.restore(backup.objects)
		// The garbage collector deletes the claims. Some of the IPAddresses stay: their finalizer holds them until a
		// claim of the same name exists again.
		s.eventually("each claim is made again", func() error {
			for _, claim := range s.ClaimsIn(s.name) {
				if owner := metav1.GetControllerOf(claim); owner == nil ||
					owner.UID != s.get(claim.ClusterName()).GetUID() {
					return fmt.Errorf("claim %s has the owner %v", claim.GetName(), owner)
				}
			}
			if claims := len(s.ClaimsIn(s.name)); claims != len(backup.addresses) {
				return fmt.Errorf("there are %d", claims)
			}
			return nil
		})
		for name, host := range map[string]string{"one": s.ip(11), "two": s.ip(12)} {
			s.sees(name, endpoint(host, 6443), func(c *harness.Cluster) error {
				if address := s.Address(s.name, "vip-cp-"+name); address != nil && address.Value() == host {
					return condition(controlPlane, names.ReasonIPAddressAssigned)(c)
				}
				return condition(controlPlane, names.ReasonAddressConflict)(c)
			})
		}
	})
	t.Run("if another Cluster has got the address meanwhile, should leave it there and say so", func(t *testing.T) {
		s := newScope(t, e, runOperator(t, e))
		backup := s.lose()
		pools, rest := backup.pools()
		s.restore(pools)
		s.cluster("first")
		s.served("first")
		s.cluster("thief")
		require.Equal(t, s.ip(11), s.served("thief").Endpoint().Host)
		for _, object := range rest { // the restore itself writes the address a second time
			if object.GetName() == "one" {
				require.NoError(t,
					unstructured.SetNestedField(object.Object, "", "metadata", "annotations", harness.Unguarded))
			}
		}
		s.restore(rest)
		one := s.sees("one", condition(controlPlane, names.ReasonAddressConflict),
			condition(ingress, names.ReasonAddressConflict), endpoint(s.ip(11), 6443))
		require.Contains(t, one.Condition(controlPlane).Message, s.name+"/thief")
		s.sees("thief", condition(controlPlane, names.ReasonIPAddressAssigned), endpoint(s.ip(11), 6443))
		s.delete("one")
		s.gone("one")
		s.handled()
		s.sees("thief", condition(controlPlane, names.ReasonIPAddressAssigned),
			condition(ingress, names.ReasonIPAddressAssigned), endpoint(s.ip(11), 6443))
	})
}

// backup is what Velero keeps of a test's objects, in restore order.
type backup struct {
	objects []*unstructured.Unstructured
	// owners are the ownerReferences, which Velero drops, by kind/name.
	owners map[string][]metav1.OwnerReference
	// clusters and addresses are what existed, by name.
	clusters  map[string]*harness.Cluster
	addresses map[string]string
}

// pools returns the pools, and everything else.
func (b backup) pools() (pools, rest []*unstructured.Unstructured) {
	for _, object := range b.objects {
		if object.GetKind() == "GlobalInClusterIPPool" {
			pools = append(pools, object)
		} else {
			rest = append(rest, object)
		}
	}
	return pools, rest
}

// lose creates Clusters, one with a third role and one with a host of its own, backs everything up and lets it all
// go. None has the lowest address of its pool, so that a new allocation would give another.
func (s *scope) lose() backup {
	s.t.Helper()
	s.bothPools()
	s.pool("registry", 30, 39)
	s.cluster("lowest")
	s.served("lowest")
	s.cluster("one")
	s.served("one")
	s.cluster("two")
	s.served("two")
	s.cluster("own-host", func(c *harness.NewCluster) { c.Host, c.Port = "own-host.example.com", 443 })
	for _, name := range []string{"one", "two", "own-host"} {
		s.sees(name, condition("registry", names.ReasonIPAddressAssigned))
	}
	s.delete("lowest")
	s.gone("lowest")

	b := backup{
		owners: map[string][]metav1.OwnerReference{}, clusters: map[string]*harness.Cluster{},
		addresses: map[string]string{},
	}
	for _, resource := range s.inOrder() {
		list, err := resource.List(s.t.Context(), metav1.ListOptions{})
		require.NoError(s.t, err)
		for i := range list.Items {
			object := &list.Items[i]
			if object.GetNamespace() != "" || slices.Contains(s.pools, poolKey{name: object.GetName()}) {
				b.owners[object.GetKind()+"/"+object.GetName()] = object.GetOwnerReferences()
				b.objects = append(b.objects, reset(object))
			}
		}
	}
	for _, cluster := range s.ClustersIn(s.name) {
		b.clusters[cluster.GetName()] = cluster
	}
	for _, address := range s.AddressesIn(s.name) {
		b.addresses[address.GetName()] = address.Value()
	}
	require.Len(s.t, b.clusters, 3)
	require.Len(s.t, b.addresses, 8)

	require.NoError(s.t, s.deleteAll(s.t.Context()))
	require.NoError(s.t, s.awaitEmpty(s.t.Context()))
	require.NoError(s.t, s.deletePools(s.t.Context()))
	s.eventually("the pools are gone", func() error {
		for _, pool := range s.pools {
			if _, known := s.Capacity(pool.namespace, pool.name); known {
				return fmt.Errorf("pool %s is there", pool.name)
			}
		}
		return nil
	})
	return b
}

// inOrder returns the kinds in the order of Velero: by name, except for Clusters.
func (s *scope) inOrder() []dynamic.ResourceInterface {
	return []dynamic.ResourceInterface{
		s.Dynamic.Resource(plane.ControlPlaneResource()).Namespace(s.name),
		s.Dynamic.Resource(plane.InfraClusterResource()).Namespace(s.name),
		s.Pools(""), s.Claims(s.name), s.Addresses(s.name), s.Clusters(s.name),
	}
}

// reset removes from an object what Velero removes; finalizers stay.
func reset(object *unstructured.Unstructured) *unstructured.Unstructured {
	metadata, _ := object.Object["metadata"].(map[string]any)
	for _, field := range []string{
		"generateName", "selfLink", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp",
		"deletionGracePeriodSeconds", "ownerReferences",
	} {
		delete(metadata, field)
	}
	delete(object.Object, "status")
	return object
}

// restore creates the objects in their order.
func (s *scope) restore(objects []*unstructured.Unstructured) {
	s.t.Helper()
	for _, object := range objects {
		require.NoError(s.t, s.Create(s.t.Context(), harness.Manifest{Unstructured: object}))
	}
}

// restored waits until everything is as before, and checks that the operator has created and deleted no claim since.
func (s *scope) restored(b backup, since plane.Mark) {
	s.t.Helper()
	for name, before := range b.clusters {
		checks := []check{
			condition(ingress, names.ReasonIPAddressAssigned),
			condition("registry", names.ReasonIPAddressAssigned), held(true),
			endpoint(before.Endpoint().Host, before.Endpoint().Port),
		}
		for _, role := range []string{controlPlane, ingress, "registry"} {
			checks = append(checks, annotation(role, before.VIP(role)))
		}
		s.sees(name, checks...)
	}
	s.eventually("every claim belongs to its Cluster and has the address it had", func() error {
		for _, claim := range s.ClaimsIn(s.name) {
			address, owner := s.Address(s.name, claim.Address()), metav1.GetControllerOf(claim)
			if address == nil || address.Value() != b.addresses[claim.GetName()] {
				return fmt.Errorf("claim %s has the address %v, it had %s",
					claim.GetName(), address, b.addresses[claim.GetName()])
			}
			if owner == nil || owner.UID != s.get(claim.ClusterName()).GetUID() {
				return fmt.Errorf("claim %s has the owner %v", claim.GetName(), owner)
			}
		}
		return nil
	})
	require.Len(s.t, s.ClaimsIn(s.name), len(b.addresses))
	require.Len(s.t, s.AddressesIn(s.name), len(b.addresses))
	for pool, used := range map[string]int{controlPlane + "-10": 2, ingress + "-20": 3, "registry-30": 3} {
		s.used(s.name+"-"+pool, used)
	}
	require.Empty(s.t, s.writes(since).Filter(func(e planeEntry) bool {
		return e.Resource == "ipaddressclaims" && e.Verb != "patch"
	}))
}
