package acceptance

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

const (
	// patience bounds every wait, with room for a busy machine.
	patience = time.Minute
	// sideBySide is how many ordinary tests run at once: they mostly wait.
	sideBySide = "10"
	// raceVariable makes the suite build the operator with the race detector.
	raceVariable = "ACCEPTANCE_RACE"
)

// suite is what all tests share. The plane starts with the first test that needs it, the operator with the first
// ordinary one.
var suite struct {
	plane    sync.Mutex
	env      *env
	operator sync.Mutex
	shared   *harness.Operator
	// ordinary is how many ordinary tests run.
	ordinary atomic.Int32
}

// env is a plane with a view of it.
type env struct {
	*harness.World
	guard *harness.Guard

	barriers sync.Mutex
	barred   int
}

// barrier is the namespace, class and pool of the Clusters that show when others have been handled.
const barrier = "barrier"

// barrier creates a Cluster that costs the operator one write to its status, and returns its name.
func (e *env) barrier(t *testing.T) string {
	t.Helper()
	e.barriers.Lock()
	defer e.barriers.Unlock()
	if e.barred == 0 {
		require.NoError(t, e.CreateNamespace(t.Context(), barrier))
		require.NoError(t, e.Create(t.Context(), harness.NewClass{Namespace: barrier, Name: barrier},
			harness.NewPool{
				Name: barrier, Class: barrier, Role: names.RoleControlPlane, Addresses: []string{"10.99.0.1"},
			}))
	}
	e.barred++
	name := fmt.Sprintf("b%d", e.barred)
	require.NoError(t, e.Create(t.Context(), harness.NewCluster{
		Namespace: barrier, Name: name, Class: barrier, Host: name + ".example.com", Port: 6443,
	}))
	return name
}

func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", sideBySide); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	if err := finish(); err != nil {
		fmt.Fprintln(os.Stderr, "FAIL:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// finish ends what is shared, and returns what is wrong with all tests taken together.
func finish() error {
	failures := []error{stopShared()}
	if suite.env != nil {
		for _, breach := range suite.env.guard.Breaches() {
			failures = append(failures, errors.New("an invariant was broken: "+breach))
		}
		suite.env.Close()
		failures = append(failures, suite.env.Plane.Stop())
	}
	return errors.Join(append(failures, harness.CleanBuilds())...)
}

// stopShared stops the operator of the ordinary tests, if it runs: with -count, more tests follow.
func stopShared() error {
	suite.operator.Lock()
	defer suite.operator.Unlock()
	if suite.shared == nil {
		return nil
	}
	if running := suite.ordinary.Load(); running > 0 {
		return fmt.Errorf("%d ordinary tests are running: those that are not must not be beside them, see ordinary",
			running)
	}
	operator := suite.shared
	suite.shared = nil
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	exit, err := operator.Stop(ctx)
	if err == nil && exit.Code != 0 {
		err = fmt.Errorf("the operator ended with code %d:\n%s", exit.Code, operator.LogTail(20))
	}
	return errors.Join(err, wrongInLog(operator))
}

// neverPrinted matches a crash, a data race and a missing permission.
var neverPrinted = regexp.MustCompile(`panic|DATA RACE|cannot [a-z]+ resource`)

// wrongInLog returns an error for what no operator may ever print.
func wrongInLog(operator *harness.Operator) error {
	for _, line := range operator.Logs() {
		if neverPrinted.MatchString(line.Raw) {
			return fmt.Errorf("the operator printed: %s\n%s", line.Raw, operator.LogTail(40))
		}
	}
	return nil
}

// onPlane returns the plane that all tests share.
func onPlane(t *testing.T) *env {
	t.Helper()
	suite.plane.Lock()
	defer suite.plane.Unlock()
	if suite.env == nil {
		suite.env = newEnv(t, startPlane(t, plane.Options{}))
	}
	return suite.env
}

// startPlane starts a plane, with the stack from the environment unless the options name one. The caller stops it.
func startPlane(t *testing.T, options plane.Options) *plane.Plane {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a real control plane")
	}
	if options.Stack == "" {
		stack, err := plane.StackFromEnv()
		require.NoError(t, err)
		options.Stack = stack
	}
	options.Log = t.Output()
	p, err := plane.Start(t.Context(), options)
	require.NoError(t, err)
	if err := harness.Grant(t.Context(), p); err != nil {
		require.NoError(t, errors.Join(err, p.Stop()))
	}
	return p
}

func newEnv(t *testing.T, p *plane.Plane) *env {
	t.Helper()
	world, err := harness.NewWorld(t.Context(), p)
	require.NoError(t, err)
	guard, err := harness.NewGuard(world)
	require.NoError(t, err)
	return &env{World: world, guard: guard}
}

// sharedOperator returns the operator of the ordinary tests. They all wait until the disruptive tests have ended, so
// it never runs beside one of theirs.
func sharedOperator(t *testing.T, e *env) *harness.Operator {
	t.Helper()
	suite.operator.Lock()
	defer suite.operator.Unlock()
	if suite.shared == nil {
		suite.shared = launch(t, e.Plane, harness.OperatorOptions{})
		waitServing(t, suite.shared)
	}
	return suite.shared
}

// launch starts an operator.
func launch(t *testing.T, p *plane.Plane, options harness.OperatorOptions) *harness.Operator {
	t.Helper()
	if options.Binary == "" {
		binary, err := harness.BuildOperator(t.Context(), os.Getenv(raceVariable) != "")
		require.NoError(t, err)
		options.Binary = binary
	}
	operator, err := harness.StartOperator(t.Context(), p, options)
	require.NoError(t, err)
	return operator
}

// runOperator starts an operator for one test, waits until it serves, and stops it with the test.
func runOperator(t *testing.T, e *env, args ...string) *harness.Operator {
	t.Helper()
	operator := startOperator(t, e.Plane, harness.OperatorOptions{Args: args})
	waitServing(t, operator)
	return operator
}

// startOperator starts an operator for one test and stops it with the test.
func startOperator(t *testing.T, p *plane.Plane, options harness.OperatorOptions) *harness.Operator {
	t.Helper()
	require.NoError(t, stopShared(), "the operator of the ordinary tests")
	operator := launch(t, p, options)
	t.Cleanup(func() {
		require.NoError(t, operator.Kill())
		if err := wrongInLog(operator); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the log of operator %s ends with:\n%s", operator.User, operator.LogTail(40))
		}
	})
	return operator
}

func waitServing(t *testing.T, operator *harness.Operator) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, operator.WaitServing(ctx))
}

// stop ends an operator gracefully and returns how long that took.
func stop(t *testing.T, operator *harness.Operator) time.Duration {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	exit, err := operator.Stop(ctx)
	require.NoError(t, err)
	require.Zero(t, exit.Code, "the exit code of a clean end; the log ends with:\n%s", operator.LogTail(20))
	return exit.Took
}
