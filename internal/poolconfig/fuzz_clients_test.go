package poolconfig_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/poolconfig"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// FuzzPoolClients: whatever a pool says of the Clusters and variables that it is for, nothing invalid gets through,
// what cannot be read closes the pool with a short reason, and no annotation opens it to all.
func FuzzPoolClients(f *testing.F) {
	f.Add("team-a/berlin,team-b/*", "network=vlan-7,site.name=berlin", "")
	f.Add("team-a/berlin,team-b/*", "a=b,a=c", "team-a")
	f.Add("*", "network", "team-a")
	f.Add(",", "=", "")
	f.Add("a/b/c", `a="b"`, "")
	f.Add(strings.Repeat("a/b,", 300), strings.Repeat("a=b,", 20), "a")
	f.Fuzz(func(t *testing.T, clusters, variables, namespace string) {
		view := pool(map[string]string{names.ClusterClass: "metal", names.Role: "ingress"}, map[string]string{
			names.Clusters: clusters, names.Variables: variables,
		})
		view.Namespace = namespace
		got := view.Snapshot(time.Time{})
		if len(got.Clusters) > poolconfig.MaxPoolClusters || len(got.Variables) > poolconfig.MaxPoolVariables {
			t.Errorf("%d Clusters, %d variables", len(got.Clusters), len(got.Variables))
		}
		open := len(got.Clusters) == 0 || len(got.Variables) == 0
		if open && (!got.Closed || !got.Unread) || got.Closed && len(got.Problems) == 0 {
			t.Errorf("clusters %q and variables %q open the pool, or nobody says that they do not", clusters, variables)
		}
		for _, cluster := range got.Clusters {
			name := cluster.Name == vip.AnyCluster || len(validation.IsDNS1123Subdomain(cluster.Name)) == 0
			if !name || len(validation.IsDNS1123Label(cluster.Namespace)) > 0 ||
				namespace != "" && cluster.Namespace != namespace {
				t.Errorf("Cluster %q came through", cluster)
			}
		}
		for _, variable := range got.Variables {
			if variable.Path == "" || variable.Value == "" || strings.Contains(variable.String(), ",") ||
				len(variable.Value) > 253 {
				t.Errorf("variable %q came through", variable)
			}
		}
		if said := strings.Join(got.Problems, "; "); len(said) > 1024 {
			t.Errorf("an event of %d bytes", len(said))
		}
		if _, err := capi.Trim(view); err != nil || !reflect.DeepEqual(got, view.Snapshot(time.Time{})) {
			t.Errorf("what is kept says something else: %v", err)
		}
	})
}

// FuzzSelectors: whatever is in a variable of a Cluster, the trimmed value matches nothing that the original does
// not; it may only become unknown.
func FuzzSelectors(f *testing.F) {
	f.Add(`"vlan-7"`, "", "vlan-7")
	f.Add(`{"site":{"name":"berlin"}}`, ".site.name", "berlin")
	f.Add(`{"a":`+strings.Repeat(" ", 600)+`9007199254740993}`, ".a", "9007199254740992")
	f.Add(`7.0`, "", "7")
	f.Add(`1e400`, "", "1")
	f.Add(`{"a":["`+strings.Repeat("x", 600)+`"]}`, ".a", vip.Unreadable)
	f.Fuzz(func(t *testing.T, value, path, asked string) {
		if !json.Valid([]byte(value)) {
			return // the API server accepts no such value
		}
		cluster := &capi.Cluster{}
		cluster.Spec.Topology.ClassRef.Name = "metal"
		cluster.Spec.Topology.Variables = []capi.Variable{{Name: "v", Value: json.RawMessage(value)}}
		serving := pool(map[string]string{names.ClusterClass: "metal", names.Role: "ingress"}, map[string]string{
			names.Variables: "v" + path + "=" + asked,
		})
		verdict := func() vip.Verdict {
			snapshot := cluster.Snapshot()
			return vip.Explain(&snapshot, []vip.Pool{serving.Snapshot(time.Time{})}, "ingress")[0]
		}
		whole := verdict()
		if _, err := capi.Trim(cluster); err != nil {
			t.Fatal(err)
		}
		if kept := verdict(); kept != whole && kept != vip.VerdictUnknown {
			t.Errorf("%s as it comes, and %s as it is kept", whole, kept)
		}
	})
}
