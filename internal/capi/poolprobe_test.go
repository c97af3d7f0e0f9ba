package capi_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

func TestPoolProbe(t *testing.T) {
	for name, test := range map[string]struct {
		text    string
		want    []uint16
		problem string
	}{
		"if it is a port, should take it":                   {"6443", []uint16{6443}, ""},
		"if it is several, should take each once, in order": {" 6443, 22,,6443", []uint16{22, 6443}, ""},
		"if it names none, should close the pool":           {" , ", nil, "names no port"},
		"if it is no number, should close the pool":         {"6443,ssh", nil, `"ssh" is no port`},
		"if it is 0, should close the pool":                 {"0", nil, `"0" is no port`},
		"if it is too high, should close the pool":          {"65536", nil, `"65536" is no port`},
		"if it is negative, should close the pool":          {"-1", nil, `"-1" is no port`},
		"if it is too many, should close the pool":          {"1,2,3,4,5,6,7,8,9", nil, "more than the 8 ports"},
		"if it is too long, should close the pool":          {strings.Repeat("1,", 20000), nil, "longer than"},
	} {
		t.Run(name, func(t *testing.T) {
			got := pool(map[string]string{names.ClusterClass: "bare-metal", names.Role: names.RoleControlPlane},
				map[string]string{names.Probe: test.text}).Snapshot(time.Time{})
			assert.Equal(t, test.want, got.Probe)
			assert.Equal(t, test.problem != "", got.Closed, "no address is to be written without a probe")
			assert.Contains(t, strings.Join(got.Problems, "\n"), test.problem)
		})
	}
}
