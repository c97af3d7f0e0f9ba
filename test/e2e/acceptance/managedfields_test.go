package acceptance

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/utils/ptr"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// TestManagedFieldsAreLost: the managedFields of the operator's writes may be lost at any time. Cluster API's CRD
// migrator drops what was written at a version that is no longer served; backup tools drop all of it. Even then the
// operator must write or remove each thing only once.
func TestManagedFieldsAreLost(t *testing.T) {
	e := onPlane(t)
	operator := runOperator(t, e, "--retry-interval=1s", "--reconcile-period=1s")
	t.Run("if a condition is to go that nobody owns, should remove it with one write", func(t *testing.T) {
		s := newScope(t, e, operator)
		s.cluster("one")
		s.sees("one", condition(controlPlane, names.ReasonPoolNotFound))
		s.settled()
		s.disown(s.Clusters(s.name), "one")
		mark := s.mark()
		s.edit("one", map[string]any{
			"spec": map[string]any{"controlPlaneEndpoint": map[string]any{"host": "one.example.com", "port": 6443}},
		})
		s.sees("one", noCondition(controlPlane))
		s.writesNoMore(mark, 1)
	})
	t.Run("if someone else owns a condition of our form, should remove it with one write", func(t *testing.T) {
		s := newScope(t, e, operator)
		s.bothPools()
		s.cluster("one")
		s.served("one")
		s.settled()
		mark := s.mark()
		s.applyCondition("one", "StorageVIPReady", names.ReasonPoolNotFound)
		s.sees("one", noCondition("storage"))
		s.writesNoMore(mark, 1)
	})
	t.Run("if one condition is to go and another to change, should do both", func(t *testing.T) {
		s := newScope(t, e, operator)
		s.bothPools()
		s.cluster("one")
		s.served("one")
		s.settled()
		s.disown(s.Clusters(s.name), "one")
		mark := s.mark()
		s.applyCondition("one", "StorageVIPReady", names.ReasonPoolNotFound, "IngressVIPReady",
			names.ReasonPoolExhausted)
		s.sees("one", noCondition("storage"), condition(ingress, names.ReasonIPAddressAssigned))
		s.writesNoMore(mark, 2)
	})
	t.Run("if the finalizer is nobody's, should take it off, and put it on again, with one write", func(t *testing.T) {
		s := newScope(t, e, operator)
		s.pool(controlPlane, 10, 10)
		s.cluster("one")
		s.sees("one", condition(controlPlane, names.ReasonIPAddressAssigned))
		s.cluster("two")
		s.sees("two", condition(controlPlane, names.ReasonPoolExhausted), held(true))
		s.settled()
		s.disown(s.Clusters(s.name), "one")
		s.disown(s.Clusters(s.name), "two")
		mark := s.mark()
		s.edit("one", map[string]any{"metadata": map[string]any{"finalizers": []string{names.ClusterFinalizer}}})
		s.sees("one", held(true))
		s.writesNoMore(mark, 1)
		s.delete("two")
		s.gone("two")
	})
	t.Run("if variables are nobody's, should write those that a pool names now, once", func(t *testing.T) {
		s := newScope(t, e, operator)
		class := s.name + "-reads"
		s.create(harness.NewClass{
			Namespace: s.name, Name: class, Variables: []any{declared("vip", "string"), declared("host", "string")},
		})
		pool := s.pool(controlPlane, 10, 19, func(p *harness.NewPool) {
			p.Class, p.Annotations = class, map[string]string{names.HostVariable: "vip"}
		})
		s.cluster("one", func(c *harness.NewCluster) { c.Class = class })
		s.sees("one", endpoint(s.ip(10), 6443), condition(controlPlane, names.ReasonIPAddressAssigned))
		s.settled()
		s.disown(s.Clusters(s.name), "one")
		mark := s.mark()
		require.NoError(t, harness.Merge(t.Context(), s.Pools(""), pool,
			map[string]any{"metadata": map[string]any{"annotations": map[string]any{names.HostVariable: "host"}}}))
		s.sees("one", variable("host", s.ip(10)))
		s.writesNoMore(mark, 1)
	})
	t.Run("if a claim that nobody owns is nobody's either, should take it over with one write", func(t *testing.T) {
		s := newScope(t, e, operator)
		s.pool(controlPlane, 10, 19)
		s.cluster("one")
		s.sees("one", endpoint(s.ip(10), 6443), condition(controlPlane, names.ReasonIPAddressAssigned))
		s.settled()
		s.disown(s.Claims(s.name), "vip-cp-one")
		mark := s.mark()
		require.NoError(t, harness.Merge(t.Context(), s.Claims(s.name), "vip-cp-one", map[string]any{
			"metadata": map[string]any{"ownerReferences": nil},
		}))
		s.eventually("the Cluster owns the claim", func() error {
			if claim := s.Claim(s.name, "vip-cp-one"); claim == nil || !metav1.IsControlledBy(claim, s.get("one")) {
				return harness.ErrNotYet
			}
			return nil
		})
		s.writesNoMore(mark, 1)
	})
	t.Run("if a claim names its owner at another version than the one in use, "+
		"should renew that with one write", func(t *testing.T) {
		s := newScope(t, e, operator)
		s.pool(controlPlane, 10, 19)
		s.cluster("one")
		s.sees("one", condition(controlPlane, names.ReasonIPAddressAssigned))
		s.settled()
		mark := s.mark()
		s.patchClaim("vip-cp-one", map[string]any{
			"op": "replace", "path": "/metadata/ownerReferences/0/apiVersion", "value": "cluster.x-k8s.io/v1alpha4",
		})
		s.ownedAt(s.Version, "vip-cp-one")
		s.looks(operator, 3)
		require.Len(t, s.changes(mark), 1)
	})
}

// TestDNSRecordsOfNobody tests the same for DNS records.
func TestDNSRecordsOfNobody(t *testing.T) {
	e := onPlane(t)
	manifest, err := os.ReadFile("testdata/dnsendpoint.yaml")
	require.NoError(t, err)
	_, err = plane.ApplyYAML(t.Context(), e.Plane.Config(), string(manifest))
	require.NoError(t, err)
	s := newScope(t, e, runOperator(t, e, "--base-domain=example.com", "--retry-interval=1s", "--reconcile-period=1s"))
	s.bothPools()
	s.cluster("prod")
	s.served("prod")
	domain := "prod." + s.name + ".example.com"
	all := []string{"*." + domain + " A " + s.ip(20), "api." + domain + " A " + s.ip(10)}
	hasRecords := func() error { return s.hasRecords("prod", all...) }
	s.eventually("the records are there", hasRecords)
	s.settled()
	s.disown(s.records(), recordsOf("prod"))
	mark := s.mark()
	more := map[string]any{"dnsName": "more.example.com", "recordType": "A", "targets": []string{"192.0.2.1"}}
	require.NoError(t, harness.Merge(t.Context(), s.records(), recordsOf("prod"), map[string]any{
		"spec": map[string]any{"endpoints": []any{more}},
	}))
	s.eventually("the records are back", hasRecords)
	s.writesNoMore(mark, 1)
}

// disown drops the operator's entries from an object's managedFields, as Cluster API's CRD migrator does. If no entry
// would be left it writes a seed, so that the next server-side apply does not invent an owner of everything.
func (s *scope) disown(kind dynamic.ResourceInterface, name string) {
	s.t.Helper()
	object, err := kind.Get(s.t.Context(), name, metav1.GetOptions{})
	require.NoError(s.t, err)
	var others []metav1.ManagedFieldsEntry
	for _, entry := range object.GetManagedFields() {
		if !strings.HasPrefix(entry.Manager, names.FieldManager) {
			others = append(others, entry)
		}
	}
	require.Less(s.t, len(others), len(object.GetManagedFields()))
	if len(others) == 0 {
		others = append(others, metav1.ManagedFieldsEntry{
			Manager: names.FieldManager, Operation: metav1.ManagedFieldsOperationApply,
			APIVersion: object.GetAPIVersion(), Time: ptr.To(metav1.Now()),
			FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(`{"f:metadata":{"f:name":{}}}`),
		})
	}
	body, err := json.Marshal([]any{
		map[string]any{"op": "replace", "path": "/metadata/managedFields", "value": others},
		map[string]any{"op": "replace", "path": "/metadata/resourceVersion", "value": object.GetResourceVersion()},
	})
	require.NoError(s.t, err)
	_, err = kind.Patch(s.t.Context(), name, types.JSONPatchType, body,
		metav1.PatchOptions{FieldManager: "crdmigrator"})
	require.NoError(s.t, err)
}

// applyCondition has someone else write conditions with status False to a Cluster; types and reasons alternate.
func (s *scope) applyCondition(name string, typesAndReasons ...string) {
	s.t.Helper()
	var conditions []any
	for i := 0; i < len(typesAndReasons); i += 2 {
		conditions = append(conditions, metav1.Condition{
			Type: typesAndReasons[i], Reason: typesAndReasons[i+1], Status: metav1.ConditionFalse, Message: "restored",
			LastTransitionTime: metav1.Now(),
		})
	}
	status := map[string]any{"conditions": conditions}
	if s.Version == "v1beta1" {
		status = map[string]any{"v1beta2": status}
	}
	body, err := json.Marshal(map[string]any{
		"apiVersion": "cluster.x-k8s.io/" + s.Version, "kind": "Cluster",
		"metadata": map[string]any{"name": name, "namespace": s.name}, "status": status,
	})
	require.NoError(s.t, err)
	_, err = s.Clusters(s.name).Patch(s.t.Context(), name, types.ApplyPatchType, body,
		metav1.PatchOptions{FieldManager: "a-backup-tool", Force: ptr.To(true)}, "status")
	require.NoError(s.t, err)
}

// writesNoMore waits until the operator has looked at the test's Clusters several times, and checks how often it has
// written. Cluster API writes conditions at the same time, so each write may have been refused once because it came
// too late.
func (s *scope) writesNoMore(mark plane.Mark, most int) {
	s.t.Helper()
	s.looks(s.operator, 10)
	changes := s.changes(mark)
	late := changes.Filter(func(e plane.Entry) bool { return e.Code == http.StatusUnprocessableEntity })
	require.LessOrEqual(s.t, len(late), most, "%v", late.CountBy(plane.Entry.Request))
	require.LessOrEqual(s.t, len(changes)-len(late), most, "%v", changes.CountBy(plane.Entry.Request))
}
