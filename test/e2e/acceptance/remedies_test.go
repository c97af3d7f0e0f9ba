package acceptance

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
)

// ready is how every remedy ends.
var ready = condition(controlPlane, names.ReasonIPAddressAssigned)

// Each message that gives advice is taken at its word: following it, and nothing else, ends the trouble.
func TestRemedies(t *testing.T) {
	t.Parallel()
	t.Run("delete claim C and add A to excludedAddresses: "+
		"the address was typed into another Cluster", func(t *testing.T) {
		s := ordinary(t)
		s.cluster("manual", func(c *harness.NewCluster) { c.Host, c.Port = s.ip(10), 6443 })
		pool := s.pool(controlPlane, 10, 19)
		s.cluster("one")
		s.says("one", names.ReasonAddressConflict, "delete claim vip-cp-one and add "+s.ip(10)+" to excludedAddresses")
		s.deleteClaim("vip-cp-one")
		s.says("one", names.ReasonAddressConflict, "add it to excludedAddresses there, and a new claim follows")
		s.exclude(pool, s.ip(10))
		s.sees("one", ready, endpoint(s.ip(11), 6443))
	})
	t.Run("or free it there", func(t *testing.T) {
		s := ordinary(t)
		s.cluster("manual", func(c *harness.NewCluster) { c.Host, c.Port = s.ip(10), 6443 })
		s.pool(controlPlane, 10, 19)
		s.cluster("one")
		s.says("one", names.ReasonAddressConflict, "or free it there")
		s.delete("manual")
		s.sees("one", ready, endpoint(s.ip(10), 6443))
	})
	t.Run("delete claim C and add A to excludedAddresses: pools overlap", func(t *testing.T) {
		s := ordinary(t)
		s.pool(controlPlane, 10, 12)
		s.create(harness.NewClass{Namespace: s.name, Name: s.name + "-b"})
		second := s.pool(controlPlane, 10, 12, func(p *harness.NewPool) { p.Name, p.Class = s.name+"-b", s.name+"-b" })
		s.cluster("one")
		s.sees("one", ready)
		s.cluster("two", func(c *harness.NewCluster) { c.Class = s.name + "-b" })
		s.says("two", names.ReasonAddressConflict,
			"delete claim vip-cp-two and add "+s.ip(10)+" to excludedAddresses of GlobalInClusterIPPool/"+second)
		s.deleteClaim("vip-cp-two")
		s.says("two", names.ReasonAddressConflict, "still offers it")
		s.exclude(second, s.ip(10))
		s.sees("two", ready, endpoint(s.ip(11), 6443))
	})
	t.Run("add H to excludedAddresses to keep it: a Cluster came back from git", func(t *testing.T) {
		s := ordinary(t)
		pool := s.pool(controlPlane, 10, 19)
		s.cluster("one", func(c *harness.NewCluster) {
			c.Host, c.Port = s.ip(15), 6443
			c.Annotations = map[string]string{names.Annotation(controlPlane): s.ip(15)}
		})
		s.says("one", names.ReasonAddressConflict,
			"add "+s.ip(15)+" to excludedAddresses of GlobalInClusterIPPool/"+pool)
		s.exclude(pool, s.ip(15))
		s.sees("one", condition(controlPlane, names.ReasonEndpointProvided), endpoint(s.ip(15), 6443))
		s.noClaim("vip-cp-one")
	})
	t.Run("set it back: the endpoint was changed", func(t *testing.T) {
		s := ordinary(t)
		s.pool(controlPlane, 10, 19)
		s.cluster("one", byHand)
		s.sees("one", ready)
		s.setHost("one", s.ip(99))
		s.says("one", names.ReasonAddressConflict, "set it back")
		s.setHost("one", s.ip(10))
		s.sees("one", ready)
	})
	t.Run("or remove the annotations to keep it without a claim", func(t *testing.T) {
		s := ordinary(t)
		s.pool(controlPlane, 10, 19)
		s.cluster("one", byHand)
		s.sees("one", ready)
		s.setHost("one", s.ip(99))
		s.says("one", names.ReasonAddressConflict,
			"remove the annotations "+names.Annotation(controlPlane)+" and "+names.Claims)
		s.edit("one", map[string]any{"metadata": map[string]any{
			"annotations": map[string]any{names.Annotation(controlPlane): nil, names.Claims: nil},
		}})
		s.sees("one", condition(controlPlane, names.ReasonEndpointProvided), endpoint(s.ip(99), 6443))
		s.noClaim("vip-cp-one")
	})
	t.Run("remove endpoint and annotations from the copy", func(t *testing.T) {
		s := ordinary(t)
		s.pool(controlPlane, 10, 19)
		s.cluster("original")
		original := s.sees("original", ready)
		s.cluster("copy", func(c *harness.NewCluster) {
			c.Host, c.Port = s.ip(10), 6443
			c.Annotations = map[string]string{
				names.Annotation(controlPlane): s.ip(10), names.Claims: original.GetAnnotations()[names.Claims],
				harness.Unguarded: "",
			}
		})
		s.says("copy", names.ReasonAddressConflict, "belongs to Cluster "+s.name+"/original")
		s.noClaim("vip-cp-copy")
		s.edit("copy", map[string]any{
			"metadata": map[string]any{
				"annotations": map[string]any{names.Annotation(controlPlane): nil, names.Claims: nil},
			},
			"spec": map[string]any{"controlPlaneEndpoint": nil},
		})
		s.sees("copy", ready, endpoint(s.ip(11), 6443))
		s.sees("original", ready, endpoint(s.ip(10), 6443))
	})
	t.Run("give the role another name on its pool: two roles of two Clusters need one name", func(t *testing.T) {
		s := ordinary(t)
		s.pool(controlPlane, 10, 19)
		s.pool(ingress, 20, 29)
		blue := s.pool("ingress-blue", 30, 39)
		s.cluster("blue-x")
		s.served("blue-x")
		s.cluster("x")
		s.eventually("the conflict is said", func() error {
			return s.reason("x", "ingress-blue", names.ReasonClaimConflict,
				"give role ingress-blue another name on its pool")
		})
		require.NoError(t, harness.Merge(t.Context(), s.Pools(""), blue, map[string]any{
			"metadata": map[string]any{"labels": map[string]any{names.Role: "blue"}},
		}))
		s.eventually("the role is served", func() error {
			return s.reason("x", "blue", names.ReasonIPAddressAssigned, "")
		})
	})
	t.Run("delete it, or label the pool: a claim is nobody's", func(t *testing.T) {
		s := ordinary(t)
		other := s.pool(controlPlane, 10, 19, func(p *harness.NewPool) { p.Class = "another" })
		s.create(harness.NewClaim{Namespace: s.name, Name: "vip-cp-one", Pool: other})
		s.bound("vip-cp-one")
		s.pool(controlPlane, 30, 39, func(p *harness.NewPool) { p.Name = s.name + "-own" })
		s.cluster("one")
		s.says("one", names.ReasonClaimConflict, "delete it, or label the pool")
		s.deleteClaim("vip-cp-one")
		s.sees("one", ready, endpoint(s.ip(30), 6443))
	})
	t.Run("label a pool", func(t *testing.T) {
		s := ordinary(t)
		pool := s.pool(controlPlane, 10, 19, func(p *harness.NewPool) { p.Class = "another" })
		s.cluster("one")
		s.says("one", names.ReasonPoolNotFound,
			"put the labels "+names.ClusterClass+"="+s.name+" and "+names.Role+"="+controlPlane+" on one")
		s.serve(pool, s.name)
		s.sees("one", ready)
	})
	t.Run("label another pool: the one that serves is being deleted", func(t *testing.T) {
		s := ordinary(t)
		pool := s.pool(controlPlane, 10, 19)
		s.cluster("one")
		s.sees("one", ready)
		require.NoError(t, harness.Merge(t.Context(), s.Pools(""), pool, map[string]any{
			"metadata": map[string]any{
				"annotations": map[string]any{"ipam.cluster.x-k8s.io/skip-validate-delete-webhook": ""},
			},
		}))
		require.NoError(t, harness.Delete(t.Context(), s.Pools(""), pool))
		s.cluster("two")
		s.says("two", names.ReasonPoolNotFound,
			pool+", which serves role control-plane for ClusterClass "+s.name+"/"+s.name+", is being deleted")
		s.pool(controlPlane, 30, 39, func(p *harness.NewPool) { p.Name = s.name + "-more" })
		s.sees("two", ready, endpoint(s.ip(30), 6443))
	})
}

// byHand lets a Cluster's user do what the allocator never does.
func byHand(c *harness.NewCluster) { c.Annotations = map[string]string{harness.Unguarded: ""} }

// says waits until the control plane's condition of a Cluster has a reason and a text in its message.
func (s *scope) says(cluster, reason, text string) {
	s.t.Helper()
	s.eventually(cluster+" says "+text, func() error { return s.reason(cluster, controlPlane, reason, text) })
}

func (s *scope) deleteClaim(name string) {
	s.t.Helper()
	require.NoError(s.t, harness.Delete(s.t.Context(), s.Claims(s.name), name))
}

func (s *scope) noClaim(name string) {
	s.t.Helper()
	s.eventually("claim "+name+" is gone", func() error {
		if s.Claim(s.name, name) != nil {
			return harness.ErrNotYet
		}
		return nil
	})
	s.handled()
	require.Nil(s.t, s.Claim(s.name, name))
}

// exclude adds an address to a pool's excludedAddresses as an administrator does. It retries while the provider
// refuses because the address is allocated.
func (s *scope) exclude(pool, address string) {
	s.t.Helper()
	s.eventually(address+" is excluded", func() error {
		return harness.Merge(s.t.Context(), s.Pools(""), pool,
			map[string]any{"spec": map[string]any{"excludedAddresses": []string{address}}})
	})
}

func (s *scope) setHost(cluster, host string) {
	s.t.Helper()
	_, err := s.Clusters(s.name).Patch(s.t.Context(), cluster, types.MergePatchType,
		[]byte(`{"spec":{"controlPlaneEndpoint":{"host":"`+host+`"}}}`), metav1.PatchOptions{})
	require.NoError(s.t, err)
}

// reason checks the condition of a role of a Cluster.
func (s *scope) reason(cluster, role, reason, text string) error {
	object := s.Cluster(s.name, cluster)
	if object == nil {
		return harness.ErrNotYet
	}
	got := object.Condition(role)
	if got == nil || got.Reason != reason || !strings.Contains(got.Message, text) {
		return fmt.Errorf("the condition of %s is %+v, wanted %s with %q", role, got, reason, text)
	}
	return nil
}
