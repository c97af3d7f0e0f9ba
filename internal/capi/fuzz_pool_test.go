package capi_test

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// FuzzPoolRanges: whatever the spec of a pool says, its ranges are valid, hold each address that it lists by itself,
// and none that it excludes.
func FuzzPoolRanges(f *testing.F) {
	f.Add("10.0.0.1-10.0.0.9\n10.0.1.0/30", "10.0.0.5", "10.0.0.1")
	f.Add("fd00::/120\nfe80::1%eth0\n::ffff:10.0.0.1", "fd00::10-fd00::20", "fd00::1")
	f.Add("10.0.0.9-10.0.0.1\n10.0.0.1-fd00::1\n0.0.0.0/0\n::/0", "0.0.0.0/1", "")
	f.Add("-\n/\n10.0.0.1-\n%", "x", "y")
	f.Fuzz(func(t *testing.T, addresses, excluded, gateway string) {
		spec := capi.PoolSpec{
			Addresses: strings.Split(addresses, "\n"), ExcludedAddresses: strings.Split(excluded, "\n"),
			Gateway: gateway,
		}
		ranges := (&capi.Pool{Spec: spec}).Ranges()
		for _, r := range ranges {
			if !r.From.IsValid() || r.From.BitLen() != r.To.BitLen() || r.To.Less(r.From) || r.From.Zone() != "" ||
				r.To.Zone() != "" {
				t.Errorf("the range %s-%s is not valid", r.From, r.To)
			}
		}
		for _, entry := range append(spec.ExcludedAddresses, gateway) {
			if addr, err := netip.ParseAddr(entry); err == nil && vip.Contain(ranges, addr) {
				t.Errorf("%s is excluded and may be handed out", addr)
			}
		}
		if strings.TrimSpace(excluded) != "" || gateway != "" {
			return
		}
		for _, entry := range spec.Addresses {
			if addr, err := netip.ParseAddr(entry); err == nil && addr.Zone() == "" && !vip.Contain(ranges, addr) {
				t.Errorf("%s may be handed out and is not in %v", addr, ranges)
			}
		}
	})
}

// FuzzPoolView: whatever a pool looks like, it can be read and trimmed, and nothing that is read is dropped.
func FuzzPoolView(f *testing.F) {
	f.Add([]byte(`{"metadata":{"name":"p","labels":{"vip.capi.gorizond.io/role":"ingress",` +
		`"vip.capi.gorizond.io/cluster-class":"a"}},"spec":{"addresses":["10.0.0.1"]},` +
		`"status":{"ipAddresses":{"total":1,"free":-1}}}`))
	f.Add([]byte(`{"metadata":{"labels":null,"annotations":{"vip.capi.gorizond.io/priority":"9"}},` +
		`"spec":{"addressReuseGracePeriodSeconds":-5}}`))
	resource := capi.API{Pools: schema.GroupVersion{Group: capi.IPAMGroup, Version: "v1alpha2"}}.GlobalPools()
	f.Fuzz(func(t *testing.T, data []byte) {
		view := &capi.Pool{}
		if json.Unmarshal(data, view) != nil {
			return
		}
		view.SetGroupVersionKind(resource.GroupVersionKind)
		before := view.Snapshot(time.Time{})
		if _, err := capi.PoolTrimmer(resource)(view); err != nil {
			t.Fatal(err)
		}
		after := view.Snapshot(time.Time{})
		if len(before.Problems) != len(after.Problems) || !slices.Equal(before.Roles, after.Roles) ||
			!slices.Equal(before.Classes, after.Classes) ||
			before.Closed != after.Closed || before.Capacity != after.Capacity {
			t.Errorf("the trimmer makes %+v of %+v", after, before)
		}
		view.Ranges()
	})
}
