// Package kubectl runs the kubectl plugin against a real control plane, with and without the operator.
package kubectl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

const (
	// patience bounds every wait.
	patience = time.Minute

	controlPlane = names.RoleControlPlane
	ingress      = names.RoleIngress
)

// env is a plane, a view of it, and the plugin run with full permissions.
type env struct {
	*harness.World
	kubeconfig string
}

// start starts a plane with the stack from the environment.
func start(t *testing.T) *env {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a real control plane")
	}
	stack, err := plane.StackFromEnv()
	require.NoError(t, err)
	p, err := plane.Start(t.Context(), plane.Options{Stack: stack, Log: t.Output()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, errors.Join(p.Stop(), harness.CleanBuilds())) })
	require.NoError(t, harness.Grant(t.Context(), p))
	world, err := harness.NewWorld(t.Context(), p)
	require.NoError(t, err)
	t.Cleanup(world.Close)
	kubeconfig, err := p.Kubeconfig(plane.Admin())
	require.NoError(t, err)
	return &env{World: world, kubeconfig: kubeconfig}
}

// answer is what the plugin printed and its exit code.
type answer struct {
	out, err string
	code     int
}

// vip runs the plugin.
func (e *env) vip(t *testing.T, args ...string) answer {
	t.Helper()
	return vipAs(t, e.kubeconfig, args...)
}

func vipAs(t *testing.T, kubeconfig string, args ...string) answer {
	t.Helper()
	var out, errOut bytes.Buffer
	code := kubectlvip.Run(t.Context(), append(args, "--kubeconfig="+kubeconfig),
		genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &errOut})
	t.Logf("kubectl vip %s\n%s%s(exit code %d)", strings.Join(args, " "), out.String(), errOut.String(), code)
	return answer{out.String(), errOut.String(), code}
}

// decode decodes JSON output.
func decode[T any](t *testing.T, a answer) T {
	t.Helper()
	var value T
	require.NoError(t, json.Unmarshal([]byte(a.out), &value), a.out)
	return value
}

// await waits until check returns nil.
func (e *env) await(t *testing.T, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, e.Await(ctx, check))
}

// counted waits until the provider has counted the addresses of the global pools.
func (e *env) counted(t *testing.T, pools ...string) {
	t.Helper()
	e.await(t, func() error {
		for _, pool := range pools {
			if _, known := e.Capacity("", pool); !known {
				return fmt.Errorf("pool %s has no status", pool)
			}
		}
		return nil
	})
}

// hasReason waits until the control plane condition of a Cluster has the reason.
func (e *env) hasReason(t *testing.T, namespace, cluster, reason string) {
	t.Helper()
	e.await(t, func() error {
		c := e.Cluster(namespace, cluster)
		if c == nil || c.Condition(controlPlane) == nil || c.Condition(controlPlane).Reason != reason {
			return fmt.Errorf("Cluster %s/%s has not come to %s", namespace, cluster, reason)
		}
		return nil
	})
}

// operate runs the operator, with leader election, until the test ends or the returned function is called.
func (e *env) operate(t *testing.T) (stop func()) {
	t.Helper()
	operator, err := harness.StartOperator(t.Context(), e.Plane,
		harness.OperatorOptions{Args: []string{"--leader-elect=true"}})
	require.NoError(t, err)
	var once sync.Once
	stop = func() {
		once.Do(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			_, err := operator.Stop(ctx)
			require.NoError(t, err)
		})
	}
	t.Cleanup(stop)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, operator.WaitServing(ctx))
	return stop
}

// syncBuffer is a buffer that can be written and read concurrently.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// write writes a file for the test.
func write(t *testing.T, content string) string {
	t.Helper()
	file, err := os.CreateTemp(t.TempDir(), "*.yaml")
	require.NoError(t, err)
	_, err = file.WriteString(content)
	require.NoError(t, errors.Join(err, file.Close()))
	return file.Name()
}
