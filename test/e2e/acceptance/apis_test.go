package acceptance

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// TestBeforeClusterAPI has its own plane, on which Cluster API arrives after the operator.
func TestBeforeClusterAPI(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a real control plane")
	}
	p := startPlane(t, plane.Options{Without: []plane.Component{plane.CAPI, plane.IPAM}})
	t.Cleanup(func() { require.NoError(t, p.Stop()) })
	operator := startOperator(t, p, harness.OperatorOptions{})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()

	const waiting = "waiting for APIs that are not served yet; install Cluster API and its in-cluster IPAM provider"
	require.NoError(t, operator.WaitLog(ctx, waiting))
	// asked waits until the operator has looked for Cluster API so many times.
	asked := func(times int) {
		require.NoError(t, plane.Eventually(ctx, func(ctx context.Context) error {
			entries, err := p.Audit().Since(ctx, 0)
			if err != nil {
				return plane.Final(err)
			}
			looks := entries.ByUser(operator.User).Filter(func(e planeEntry) bool {
				return strings.HasPrefix(e.URI, "/apis/cluster.x-k8s.io/v1beta1")
			})
			if len(looks) < times {
				return fmt.Errorf("the operator has looked %d times", len(looks))
			}
			return nil
		}))
	}
	asked(3)
	require.Len(t, operator.Logged(waiting), 1, "one line is enough as long as nothing changes")
	require.NoError(t, operator.Live(ctx))
	require.Error(t, operator.Ready(ctx), "an operator that cannot serve is not ready")

	require.NoError(t, p.InstallCAPI(ctx))
	require.NoError(t, p.StartComponent(ctx, plane.CAPI))
	require.NoError(t, p.InstallIPAM(ctx))
	require.NoError(t, p.StartComponent(ctx, plane.IPAM))
	waitServing(t, operator)

	e := newEnv(t, p)
	t.Cleanup(e.Close)
	s := newScope(t, e, operator)
	s.bothPools()
	s.cluster("one")
	s.served("one")
	s.end()
	require.Empty(t, e.guard.Breaches())
	stop(t, operator)
}
