package capi_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// FuzzClusterView: whatever a Cluster looks like, it can be read, trimmed and decided upon.
func FuzzClusterView(f *testing.F) {
	for _, cluster := range []any{realV1Beta1(), realV1Beta2(), map[string]any{}} {
		data, err := json.Marshal(cluster)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(
		`{"spec":{"controlPlaneEndpoint":{"host":"::ffff:1.2.3.4","port":-1},"topology":{"class":"bare-metal"}}}`,
	))
	f.Add(
		[]byte(`{"metadata":{"annotations":null,"deletionTimestamp":"2026-03-01T12:00:00Z"},"status":{"v1beta2":{}}}`),
	)
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
		if len(before.Conditions) != len(snapshot.Cluster.Conditions) ||
			len(before.VIPs) != len(snapshot.Cluster.VIPs) {
			t.Errorf("Trim drops what is read: %+v", before)
		}
		snapshot.Pools = []vip.Pool{
			pool(map[string]string{names.ClusterClass: "bare-metal", names.Role: "control-plane"},
				nil).Snapshot(time.Time{}),
		}
		plan := vip.Decide(snapshot)
		if host := snapshot.Cluster.Endpoint.Host; host != "" {
			for _, action := range plan.Actions {
				if set, ok := action.(vip.SetEndpoint); ok && set.Endpoint.Host != host {
					t.Errorf("%s is overwritten: %s", host, action)
				}
			}
		}
		if _, err := view.PatchResults(
			capi.Results{Endpoint: &vip.SetEndpoint{}, Annotations: []vip.SetAnnotation{{Role: "ingress", Value: "x"}}},
		); err != nil {
			t.Error(err)
		}
	})
}

// FuzzClaimAndAddress: whatever a claim and the IPAddress that it names look like, only an IP address in its
// canonical form is written to a Cluster, nothing that is read is dropped, and every condition is one that Cluster
// API accepts.
func FuzzClaimAndAddress(f *testing.F) {
	const meta = `{"metadata":{"namespace":"tenant","name":"vip-cp-prod","uid":"c",` +
		`"labels":{"vip.capi.gorizond.io/role":"control-plane"},"ownerReferences":[{"kind":"Cluster","name":"prod",` +
		`"uid":"uid-of-prod","controller":true}]},`
	f.Add([]byte(meta+`"spec":{"poolRef":{"apiGroup":"ipam.cluster.x-k8s.io","kind":"GlobalInClusterIPPool",`+
		`"name":"p"}},"status":{"addressRef":{"name":"a"}}}`),
		[]byte(`{"metadata":{"namespace":"tenant","name":"a","resourceVersion":"7"},"spec":{"address":"10.0.0.1",`+
			`"claimRef":{"name":"vip-cp-prod"}}}`))
	f.Add([]byte(meta+`"status":{"addressRef":{"name":"a"},"conditions":[{"type":"Ready","status":"False",`+
		`"reason":"X","message":"\ud800"}]}}`),
		[]byte(`{"metadata":{"name":"a"},"spec":{"address":"fe80::1%eth0","claimRef":{"name":"vip-cp-prod"}}}`))
	f.Add([]byte(meta+
		`"status":{"v1beta2":{"conditions":[{"type":"Ready","status":"False"}]},"deprecated":{"v1beta1":{}}}}`),
		[]byte(`{"spec":{"address":"::ffff:1.2.3.4"}}`))
	f.Add([]byte(`{"metadata":{"ownerReferences":null,"deletionTimestamp":"2026-03-01T12:00:00Z"}}`), []byte(`{}`))
	f.Fuzz(func(t *testing.T, claimData, addressData []byte) {
		claim, address := &capi.Claim{}, &capi.Address{}
		if json.Unmarshal(claimData, claim) != nil || json.Unmarshal(addressData, address) != nil {
			return
		}
		before := claim.Snapshot()
		for _, view := range []any{claim, address} {
			if _, err := capi.Trim(view); err != nil {
				t.Fatal(err)
			}
		}
		if got := claim.Snapshot(); !reflect.DeepEqual(before, got) {
			t.Errorf("Trim makes %+v of %+v", got, before)
		}
		claim.Cluster()
		snapshot := vip.Snapshot{Now: born, Settings: vip.Settings{DefaultPort: 6443}, Cluster: vip.Cluster{
			Namespace: "tenant", Name: "prod", UID: "uid-of-prod",
			Class: vip.Class{Namespace: "tenant", Name: "bare-metal"},
		}, Claims: []vip.Claim{before}, Addresses: []vip.Address{address.Snapshot()}}
		snapshot.Pools = []vip.Pool{
			pool(map[string]string{names.ClusterClass: "bare-metal", names.Role: "control-plane"},
				nil).Snapshot(time.Time{}),
		}
		checkWritten(t, vip.Decide(snapshot))
	})
}

// checkWritten checks what a plan writes where others read it.
func checkWritten(t *testing.T, plan vip.Plan) {
	t.Helper()
	canonical := func(text string) {
		if addr := vip.ParseAddr(text); !addr.IsValid() || addr.String() != text || addr.Zone() != "" {
			t.Errorf("%q is written to the Cluster", text)
		}
	}
	for _, action := range plan.Actions {
		switch a := action.(type) {
		case vip.SetEndpoint:
			canonical(a.Endpoint.Host)
		case vip.SetAnnotation:
			canonical(a.Value)
		}
	}
	for _, condition := range plan.Status.Conditions {
		if len(condition.Message) > 32768 || !utf8.ValidString(condition.Message) {
			t.Errorf("the message of %s is refused: %q", condition.Type, condition.Message)
		}
	}
	_ = plan.String()
}
