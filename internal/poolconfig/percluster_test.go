package poolconfig_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

func TestPerCluster(t *testing.T) {
	for name, test := range map[string]struct {
		roles, text, variable string
		want                  int
		problem               string
	}{
		"if it is a number, should take it": {"ingress", " 4 ", "", 4, ""},
		"if it is one, should take it":      {"control-plane", "1", "vip", 1, ""},
		"if it is beside the control plane's, should be for the other": {
			"control-plane,ingress", "2", "vip", 2, "",
		},
		"if only the control plane is served, should close the pool": {
			"control-plane", "2", "", 0, "has one endpoint",
		},
		"if a variable is to receive the address, should close the pool": {
			"ingress", "2", "vip", 0, "a variable holds one address",
		},
		"if it is none, should close the pool": {
			"ingress", "0", "", 0, `"0" is not a number from 1 to 16`,
		},
		"if it is too high, should close the pool": {
			"ingress", "17", "", 0, `"17" is not a number`,
		},
		"if it is no number, should close the pool": {
			"ingress", "four", "", 0, `"four" is not a number`,
		},
		"if it is long, should close the pool and say so in a few words": {
			"ingress", strings.Repeat("9", 1000), "", 0, `9..." is not a number`,
		},
		"if it is empty, should close the pool, which was to say something": {
			"ingress", "", "", 0, `"" is not a number`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			annotations := map[string]string{names.Role: test.roles, names.PerCluster: test.text}
			if test.variable != "" {
				annotations[names.HostVariable] = test.variable
			}
			view := pool(
				map[string]string{names.ClusterClass: "bare-metal", names.Role: names.SeeAnnotation}, annotations,
			)
			got := view.Snapshot(time.Time{})
			assert.Equal(t, test.want, got.PerCluster)
			assert.Equal(t, test.problem != "", got.Closed, "nobody gets one address where several are meant")
			assert.Contains(t, strings.Join(got.Problems, "\n"), test.problem)
			assert.Equal(t, 1, view.PerCluster(names.RoleControlPlane), "the endpoint is one")
		})
	}
}
