package capi_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// FuzzPoolConfig: whatever stands on a pool, nothing that is not valid comes through, and what is dropped is said.
func FuzzPoolConfig(f *testing.F) {
	f.Add("bare-metal", "ingress", "1", "a,b")
	f.Add("a/b,c", "ingress,control-plane", "-1", "")
	f.Add("/", "release", "99999999999999999999", ",")
	f.Add("\x00,é", "Ingress,-", " 7", "\t")
	f.Fuzz(func(t *testing.T, class, role, priority, namespaces string) {
		view := pool(map[string]string{names.ClusterClass: "true", names.Role: "true"}, map[string]string{
			names.ClusterClass: class, names.Role: role, names.Priority: priority, names.Namespaces: namespaces,
		})
		got := view.Snapshot(time.Time{})
		for _, role := range got.Roles {
			if err := names.ValidateRole(role); err != nil {
				t.Errorf("role %q came through: %v", role, err)
			}
		}
		for _, class := range got.Classes {
			if class.Name == "" {
				t.Errorf("a class without a name came through %q", class)
			}
		}
		if (len(got.Roles) == 0 || len(got.Classes) == 0) && len(got.Problems) == 0 {
			t.Errorf("the pool serves nothing and nobody says why")
		}
		if len(got.Namespaces) == 0 && len(got.Classes) > 0 {
			t.Errorf("an annotation %q opens the pool to all namespaces", namespaces)
		}
	})
}

// FuzzClusterView: whatever a Cluster looks like, it can be read, trimmed and decided upon.
func FuzzClusterView(f *testing.F) {
	for _, cluster := range []any{realV1Beta1(), realV1Beta2(), map[string]any{}} {
		data, err := json.Marshal(cluster)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"spec":{"controlPlaneEndpoint":{"host":"::ffff:1.2.3.4","port":-1},"topology":{"class":"bare-metal"}}}`))
	f.Add([]byte(`{"metadata":{"annotations":null,"deletionTimestamp":"2026-03-01T12:00:00Z"},"status":{"v1beta2":{}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		view := &capi.Cluster{}
		if json.Unmarshal(data, view) != nil {
			return
		}
		before := view.Snapshot()
		if _, err := capi.Trim(view); err != nil {
			t.Fatal(err)
		}
		snapshot := vip.Snapshot{Settings: vip.Settings{DefaultPort: 6443}, Cluster: view.Snapshot()}
		if len(before.Conditions) != len(snapshot.Cluster.Conditions) || len(before.VIPs) != len(snapshot.Cluster.VIPs) {
			t.Errorf("Trim drops what is read: %+v", before)
		}
		snapshot.Pools = []vip.Pool{pool(map[string]string{names.ClusterClass: "bare-metal", names.Role: "control-plane"}, nil).Snapshot(time.Time{})}
		plan := vip.Decide(snapshot)
		if host := snapshot.Cluster.Endpoint.Host; host != "" {
			for _, action := range plan.Actions {
				if set, ok := action.(vip.SetEndpoint); ok && set.Endpoint.Host != host {
					t.Errorf("%s is overwritten: %s", host, action)
				}
			}
		}
		if _, err := view.PatchResults(testAPI("v1beta2"), capi.Results{Endpoint: &vip.SetEndpoint{}, Annotations: []vip.SetAnnotation{{Role: "ingress", Value: "x"}}}); err != nil {
			t.Error(err)
		}
	})
}
