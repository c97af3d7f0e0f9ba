package acceptance

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// TestEtcdRestored restores etcd to an older state while the operator keeps running. All other controllers are
// restarted, as the guide says.
func TestEtcdRestored(t *testing.T) {
	const period = 15 * time.Second
	p := startPlane(t, plane.Options{})
	t.Cleanup(func() { require.NoError(t, p.Stop()) })
	e := newEnv(t, p)
	t.Cleanup(func() { e.Close() })
	operator := launch(t, p, harness.OperatorOptions{Args: []string{"--reconcile-period=" + period.String()}})
	t.Cleanup(func() { require.NoError(t, operator.Kill()) })
	waitServing(t, operator)
	s := newScope(t, e, operator)
	pool := s.pool(controlPlane, 10, 19)
	s.cluster("one")
	s.sees("one", condition(controlPlane, names.ReasonIPAddressAssigned))
	s.used(pool, 1)

	backup := t.TempDir()
	stopAll(t, p)
	require.NoError(t, os.CopyFS(backup, os.DirFS(p.DataDir())))
	startAll(t, p)

	for _, passes := range []bool{false, true} {
		what := "are still lower than before"
		if passes {
			what = "have passed what they were before"
		}
		t.Run("if versions "+what+" when it looks, should forget what is not there any more", func(t *testing.T) {
			s := s.in(t)
			s.eventually("the API server lets two be created", func() error {
				return e.Create(t.Context(), harness.NewCluster{Namespace: s.name, Name: "two", Class: s.name})
			})
			require.Equal(t, s.ip(11),
				s.sees("two", condition(controlPlane, names.ReasonIPAddressAssigned)).Endpoint().Host)
			s.delete("one")
			s.gone("one")
			seen := s.written(t, 100)

			stopAll(t, p)
			require.NoError(t, os.RemoveAll(p.DataDir()))
			require.NoError(t, os.CopyFS(p.DataDir(), os.DirFS(backup)))
			startAll(t, p)
			begin := time.Now()
			fresh, err := harness.NewWorld(t.Context(), p) // its watches know only what exists now
			require.NoError(t, err)
			e.Close()
			e.World = fresh
			for passes && s.written(t, 20) <= seen {
			}
			s.eventually("the API server lets three be created", func() error {
				return e.Create(t.Context(), harness.NewCluster{Namespace: s.name, Name: "three", Class: s.name})
			})
			// The cache from before the restore has Cluster two at this address, and Cluster one as gone.
			require.Equal(t, s.ip(11),
				s.sees("three", condition(controlPlane, names.ReasonIPAddressAssigned)).Endpoint().Host)
			took := time.Since(begin)
			t.Logf("served after %s", took)
			require.Less(t, took, 2*period)
			s.delete("one")
			s.gone("one")
			s.cluster("one")
			require.Equal(t, s.ip(10),
				s.sees("one", condition(controlPlane, names.ReasonIPAddressAssigned)).Endpoint().Host)
			s.delete("three")
			s.gone("three")
		})
	}
	s.end()
}

// written makes some writes and returns the resulting version.
func (s *scope) written(t *testing.T, times int) (version int) {
	t.Helper()
	var text string
	for range times {
		s.eventually("the API server takes a write", func() error {
			object, err := s.Core.CoreV1().ConfigMaps(s.name).Create(t.Context(),
				&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "any-"}}, metav1.CreateOptions{})
			if err == nil {
				text = object.ResourceVersion
			}
			return err
		})
	}
	_, err := fmt.Sscan(text, &version)
	require.NoError(t, err)
	return version
}

// stopAll stops the plane. The fake provider, which runs in this process, waits for the API server.
func stopAll(t *testing.T, p *plane.Plane) {
	t.Helper()
	for _, component := range slices.Backward(p.Status()) {
		require.NoError(t, p.StopComponent(t.Context(), component.Name), component.Name)
	}
}

func startAll(t *testing.T, p *plane.Plane) {
	t.Helper()
	for _, component := range p.Status() {
		require.NoError(t, p.StartComponent(t.Context(), component.Name), component.Name)
	}
}
