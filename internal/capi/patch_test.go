package capi_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"k8s.io/apimachinery/pkg/types"
	corev1beta1 "sigs.k8s.io/cluster-api/api/core/v1beta1"
	corev1beta2 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

var update = flag.Bool("update", false, "write the golden files anew")

var (
	setEndpoint = &vip.SetEndpoint{Endpoint: vip.Endpoint{Host: "10.0.0.11", Port: 6443}}
	setIngress  = []vip.SetAnnotation{
		{Role: names.RoleControlPlane, Value: "10.0.0.11"}, {Role: names.RoleIngress, Value: "10.0.0.21"},
	}
)

// applied applies a JSON patch to an object as the API server does, with the library it uses.
func applied[T any](t *testing.T, live *T, patch []byte) (*T, error) {
	t.Helper()
	data, err := json.Marshal(live)
	require.NoError(t, err)
	decoded, err := jsonpatch.DecodePatch(patch)
	require.NoError(t, err)
	data, err = decoded.Apply(data)
	if err != nil {
		return nil, err
	}
	result := new(T)
	require.NoError(t, json.Unmarshal(data, result))
	return result, nil
}

func TestPatchResults(t *testing.T) {
	type change = func(*corev1beta2.Cluster)
	none := func(*corev1beta2.Cluster) {}
	noAnnotations := func(c *corev1beta2.Cluster) { c.Annotations = nil }
	noEndpoint := func(c *corev1beta2.Cluster) { c.Spec.ControlPlaneEndpoint = corev1beta2.APIEndpoint{} }
	tests := map[string]struct {
		// seen is what the decision saw, since what has changed after it.
		seen, since change
		refused     bool
	}{
		"if nothing changed, should write":          {none, none, false},
		"if there was no endpoint, should write":    {noEndpoint, none, false},
		"if there are no annotations, should write": {noAnnotations, none, false},
		"if the annotations are foreign, should keep them": {
			func(c *corev1beta2.Cluster) { c.Annotations = map[string]string{"a/b": "c"} }, none, false,
		},
		"if the status changed since, should write": {
			none, func(c *corev1beta2.Cluster) { c.Status.Phase, c.ResourceVersion = "Deleting", "43" }, false,
		},
		"if a foreign annotation came since, should write": {
			none, func(c *corev1beta2.Cluster) { c.Annotations["a/b"] = "c" }, false,
		},
		"if the spec changed since, should refuse": {
			none, func(c *corev1beta2.Cluster) { c.Generation++ }, true,
		},
		"if it is a namesake, should refuse": {
			none, func(c *corev1beta2.Cluster) { c.UID = "another" }, true,
		},
		"if it was paused by annotation since, should refuse": {
			none, func(c *corev1beta2.Cluster) { c.Annotations[names.Paused] = "" }, true,
		},
		"if the pause is an empty string's, should refuse too": {
			none, func(c *corev1beta2.Cluster) { c.Annotations[names.Paused] = "false" }, true,
		},
		"if the first annotation is the pause, should refuse": {
			noAnnotations, func(c *corev1beta2.Cluster) { c.Annotations = map[string]string{names.Paused: ""} }, true,
		},
		"if the first annotations came since, should refuse": {
			noAnnotations, func(c *corev1beta2.Cluster) { c.Annotations = map[string]string{"a/b": "c"} }, true,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			live := with(realV1Beta2(), tt.seen)
			view := decode[capi.Cluster](t, live)
			_, err := capi.Trim(view)
			require.NoError(t, err)
			patch, err := view.PatchResults(capi.Results{Endpoint: setEndpoint, Annotations: setIngress})
			require.NoError(t, err)
			tt.since(live)
			got, err := applied(t, live, patch)
			if tt.refused {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			want := decode[corev1beta2.Cluster](t, live)
			want.Spec.ControlPlaneEndpoint = corev1beta2.APIEndpoint{Host: "10.0.0.11", Port: 6443}
			if want.Annotations == nil {
				want.Annotations = map[string]string{}
			}
			delete(want.Annotations, names.TopologyGate)
			want.Annotations[names.Annotation(names.RoleControlPlane)] = "10.0.0.11"
			want.Annotations[names.Annotation(names.RoleIngress)] = "10.0.0.21"
			assert.Equal(t, want, got, "host, port and annotations, and nothing else")
		})
	}
	t.Run("if there is no endpoint to write, should leave it", func(t *testing.T) {
		live := with(realV1Beta2(), noAnnotations)
		patch, err := decode[capi.Cluster](t, live).PatchResults(capi.Results{Annotations: setIngress})
		require.NoError(t, err)
		got, err := applied(t, live, patch)
		require.NoError(t, err)
		assert.Equal(t, live.Spec, got.Spec)
		assert.Len(t, got.Annotations, 2)
	})
	t.Run("if there are no annotations to write, should add none", func(t *testing.T) {
		live := with(realV1Beta2(), noAnnotations)
		patch, err := decode[capi.Cluster](t, live).PatchResults(capi.Results{Endpoint: setEndpoint})
		require.NoError(t, err)
		got, err := applied(t, live, patch)
		require.NoError(t, err)
		assert.Nil(t, got.Annotations)
		assert.Equal(t, "10.0.0.11", got.Spec.ControlPlaneEndpoint.Host)
	})
	t.Run("if the Cluster is v1beta1, should write the same", func(t *testing.T) {
		live := realV1Beta1()
		patch, err := decode[capi.Cluster](t, live).PatchResults(capi.Results{
			Endpoint: setEndpoint, Annotations: setIngress,
		})
		require.NoError(t, err)
		got, err := applied(t, live, patch)
		require.NoError(t, err)
		assert.Equal(t, corev1beta1.APIEndpoint{Host: "10.0.0.11", Port: 6443}, got.Spec.ControlPlaneEndpoint)
		assert.Equal(t, live.Spec.Topology, got.Spec.Topology)
	})
}

func TestPatchFinalizerAway(t *testing.T) {
	finalizers := func(finalizers ...string) func(*corev1beta2.Cluster) {
		return func(c *corev1beta2.Cluster) { c.Finalizers = finalizers }
	}
	same := func(*corev1beta2.Cluster) {}
	tests := map[string]struct {
		seen, since func(*corev1beta2.Cluster)
		want        []string
		refused     bool
	}{
		"if ours is the only one, should leave none": {seen: finalizers(names.ReleaseFinalizer), since: same},
		"if there are others, should leave them": {
			seen: finalizers("a/b", names.ReleaseFinalizer, "c/d"), since: same, want: []string{"a/b", "c/d"},
		},
		"if another one came behind it, should leave that": {
			seen: finalizers(names.ReleaseFinalizer), since: finalizers(names.ReleaseFinalizer, "c/d"),
			want: []string{"c/d"},
		},
		"if it moved since, should refuse": {
			seen: finalizers("a/b", names.ReleaseFinalizer), since: finalizers(names.ReleaseFinalizer, "a/b"),
			refused: true,
		},
		"if it is gone since, should refuse": {
			seen: finalizers("a/b", names.ReleaseFinalizer), since: finalizers("a/b"), refused: true,
		},
		"if it is a namesake that has it too, should refuse": {
			seen: finalizers(names.ReleaseFinalizer), since: func(c *corev1beta2.Cluster) { c.UID = "x" },
			refused: true,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			live := with(realV1Beta2(), tt.seen)
			patch, err := decode[capi.Cluster](t, live).PatchFinalizerAway()
			require.NoError(t, err)
			tt.since(live)
			got, err := applied(t, live, patch)
			if tt.refused {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, append([]string{}, tt.want...), append([]string{}, got.Finalizers...))
		})
	}
	t.Run("if it is not on, should be no patch", func(t *testing.T) {
		patch, err := decode[capi.Cluster](t, with(realV1Beta2(), finalizers("a/b"))).PatchFinalizerAway()
		require.NoError(t, err)
		assert.Nil(t, patch)
	})
}

// The bodies of all writes, as they go over the wire.
func TestBodies(t *testing.T) {
	older, newer := testAPI("v1beta1"), testAPI("v1beta2")
	view := decode[capi.Cluster](t, realV1Beta2())
	bare := decode[capi.Cluster](t, with(realV1Beta2(), func(c *corev1beta2.Cluster) { c.Annotations = nil }))
	lone := decode[capi.Cluster](t, with(realV1Beta2(), func(c *corev1beta2.Cluster) {
		c.Spec.ControlPlaneEndpoint = corev1beta2.APIEndpoint{Port: 9345}
	}))
	unset := decode[capi.Cluster](t, with(realV1Beta2(), func(c *corev1beta2.Cluster) { c.Spec.Paused = nil }))
	hold := &vip.HoldControlPlane{Gate: vip.Gate{Generation: 4}}
	long := decode[capi.Cluster](t, with(realV1Beta2(), func(c *corev1beta2.Cluster) {
		c.Labels, c.Name = nil, "a-very-long-name-of-a-cluster-that-does-not-fit-into-the-value-of-a-label"
	}))
	found := fullSnapshot().Conditions
	adopt := vip.AdoptClaim{Role: names.RoleIngress, Claim: vip.Claim{
		Namespace: "tenant", Name: "vip-ingress-prod", UID: types.UID("uid-2"),
		Pool: vip.PoolRef{Group: capi.IPAMGroup, Kind: capi.KindGlobalPool, Name: "web"},
	}}
	create := vip.CreateClaim{Role: names.RoleIngress, Name: "vip-ingress-prod", Pool: vip.PoolRef{
		Group: capi.IPAMGroup, Kind: capi.KindGlobalPool, Name: "web",
	}}
	body := func(data []byte, err error) []byte {
		require.NoError(t, err)
		return data
	}
	adoptElsewhere := adopt
	adoptElsewhere.Claim.Pool.Group = "ipam.example.com"
	elsewhere := create
	elsewhere.Pool = vip.PoolRef{Group: "ipam.example.com", Kind: capi.KindPool, Name: "web"}
	claim := func(c *capi.Cluster, api capi.API, create vip.CreateClaim) []byte {
		data, err := json.Marshal(c.NewClaim(api, create))
		return body(data, err)
	}
	owned := view.NewClaim(older, create)
	owned.UID = "uid-2"
	for name, got := range map[string][]byte{
		"finalizer-v1beta1":    body(view.ApplyFinalizer(older)),
		"finalizer-v1beta2":    body(view.ApplyFinalizer(newer)),
		"finalizer-away":       body(view.PatchFinalizerAway()),
		"conditions-v1beta1":   body(view.ApplyConditions(older, found)),
		"conditions-v1beta2":   body(view.ApplyConditions(newer, found)),
		"conditions-withdrawn": body(view.PatchConditionsAway(nil)),
		"results":              body(view.PatchResults(capi.Results{Endpoint: setEndpoint, Annotations: setIngress})),
		"results-first":        body(bare.PatchResults(capi.Results{Endpoint: setEndpoint, Annotations: setIngress})),
		"hold":                 body(unset.PatchResults(capi.Results{Hold: hold, Annotations: setIngress})),
		"hold-first":           body(bare.PatchResults(capi.Results{Finalizer: true, Hold: hold})),
		"port": body(
			lone.PatchResults(capi.Results{Finalizer: true, Port: &vip.KeepPort{Gate: vip.Gate{Port: 9345}}}),
		),
		"hold-port": body(
			lone.PatchResults(capi.Results{Hold: &vip.HoldControlPlane{Gate: vip.Gate{Generation: 4, Port: 9345}}}),
		),
		"record": body(view.PatchResults(capi.Results{
			Records: []vip.RecordClaim{{Role: names.RoleIngress, Slot: names.RoleIngress, ClaimUID: "uid-2"}},
		})),
		"variables": body(view.ApplyVariables(newer, []vip.Value{
			{Path: "vip", Value: "10.0.0.10"},
			{Path: "endpoint.host", Value: "10.0.0.10"},
			{Path: "endpoint.port.number", Value: int64(6443)},
		})),
		"claim-v1beta1":        claim(view, older, create),
		"claim-v1beta2":        claim(view, newer, create),
		"claim-other-provider": claim(view, newer, elsewhere),
		"claim-long-name":      claim(long, newer, create),
		"owner":                body(view.ApplyOwner(newer, adopt)),
		"owner-renewed":        body(owned.PatchOwner(newer, view.UID)),
		"owner-other-provider": body(view.ApplyOwner(newer, adoptElsewhere)),
	} {
		t.Run(name, func(t *testing.T) {
			var pretty bytes.Buffer
			require.NoError(t, json.Indent(&pretty, got, "", "  "))
			pretty.WriteByte('\n')
			path := filepath.Join("testdata", name+".json")
			if *update {
				require.NoError(t, os.MkdirAll("testdata", 0o755))
				require.NoError(t, os.WriteFile(path, pretty.Bytes(), 0o600))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err, "write it with -update")
			assert.Equal(t, string(want), pretty.String())
		})
	}
}
