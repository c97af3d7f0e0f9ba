package vip_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// An annotation is text that anyone with rights on the Cluster may write.
func TestAddrs(t *testing.T) {
	numbered := func(count int) []string {
		texts := make([]string, count)
		for i := range texts {
			texts[i] = "10.0.0." + strconv.Itoa(i+1)
		}
		return texts
	}
	most := numbered(names.MostAddresses)
	for name, test := range map[string]struct {
		role, value string
		want        []string
	}{
		"if it is empty, should be none":       {ingress, "", nil},
		"if it is one address, should be that": {ingress, "10.0.0.1", []string{"10.0.0.1"}},
		"if they are several, should keep their order": {
			ingress, "10.0.0.2,10.0.0.1", []string{"10.0.0.2", "10.0.0.1"},
		},
		"if there are spaces and brackets, should read them": {
			ingress, " [fd00::1] , 10.0.0.1", []string{"fd00::1", "10.0.0.1"},
		},
		"if one is no address, should skip it": {
			ingress, "10.0.0.1,vip,10.0.0.2", []string{"10.0.0.1", "10.0.0.2"},
		},
		"if it has a zone, should skip it": {
			ingress, "fe80::1%eth0,10.0.0.1", []string{"10.0.0.1"},
		},
		"if the control plane has several, should be none":      {cp, "10.0.0.1,10.0.0.2", nil},
		"if they are as many as a role may have, should be all": {ingress, strings.Join(most, ","), most},
		"if there is one more than that, should leave it out": {
			ingress, strings.Join(numbered(len(most)+1), ","), most,
		},
		"if there are many more than that, should leave them out": {ingress, strings.Join(numbered(200), ","), most},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, addr := range vip.Addrs(test.role, test.value) {
				got = append(got, addr.String())
			}
			assert.Equal(t, test.want, got)
		})
	}
}
