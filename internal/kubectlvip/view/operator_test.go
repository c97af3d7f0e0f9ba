package view_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
	"github.com/gorizond/capi-vip-allocator/internal/vip/viptest"
)

func TestJudge(t *testing.T) {
	deployment := func(ready int32, elects bool) *view.Deployment {
		return &view.Deployment{Namespace: "system", Name: "manager", Wanted: 2, Ready: ready, Elects: elects}
	}
	lease := func(holder string, ago time.Duration) *view.Lease {
		return &view.Lease{
			Namespace: "system", Name: "leader", Holder: holder, Renewed: viptest.Ago(ago), Duration: 15 * time.Second,
		}
	}
	for name, test := range map[string]struct {
		deployment *view.Deployment
		lease      *view.Lease
		denied     string
		state      string
		says       string
	}{
		"if a leader renews its Lease, should run": {
			deployment(2, true), lease("pod-1", time.Second), "", view.OperatorRunning, "pod-1 leads",
		},
		"if there is a Lease and no Deployment, should run": {
			nil, lease("laptop", time.Second), "", view.OperatorRunning, "laptop leads",
		},
		"if the clocks differ a little, should run": {
			nil, lease("pod-1", -20*time.Second), "", view.OperatorRunning, "0s ago",
		},
		"if the Lease has run out, should not run": {
			deployment(1, true), lease("pod-1", time.Hour), "", view.OperatorNotRunning, "60m ago",
		},
		"if nobody holds the Lease, should not run": {
			deployment(1, true), lease("", time.Hour), "", view.OperatorNotRunning, "nobody holds Lease system/leader",
		},
		"if no replica is ready, should not run": {
			deployment(0, true), nil, "", view.OperatorNotRunning, "none of 2 replicas",
		},
		"if it elects nobody and is ready, should run": {
			deployment(1, false), nil, "", view.OperatorRunning, "1 of 2 replicas ready",
		},
		"if it is ready and no Lease says who leads, should not say": {
			deployment(1, true), nil, "", view.OperatorUnknown, "no Lease says which",
		},
		"if Leases cannot be read, should say so": {
			deployment(1, true), nil, "Leases cannot be read (Forbidden)", view.OperatorUnknown,
			"Leases cannot be read (Forbidden)",
		},
		"if nothing was found, should say where else it could be": {
			nil, nil, "", view.OperatorUnknown, "runs outside of this cluster",
		},
		"if nothing may be read, should not say that there is nothing": {
			nil, nil, "Deployments cannot be read (Forbidden)", view.OperatorUnknown, "Deployments cannot be read",
		},
	} {
		t.Run(name, func(t *testing.T) {
			state, says := view.Judge(test.deployment, test.lease, test.denied, viptest.Now)
			assert.Equal(t, test.state, state)
			assert.Contains(t, says, test.says)
		})
	}
}
