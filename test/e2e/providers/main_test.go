package providers

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// credentials is the name of the vCenter credentials on the vSphere page and in the examples.
const credentials = "vsphere"

// patience bounds every wait, with room for a busy machine.
const patience = 3 * time.Minute

// stage is a plane with all providers, and one operator.
type stage struct {
	*harness.World
	vcenter  plane.VCenter
	guard    *harness.Guard
	operator *harness.Operator
}

// shared is used by all tests without a stage of their own, in parallel. The first of them starts it.
var shared common

type common struct {
	once  sync.Once
	stage *stage
	err   error
}

func (c *common) get(t *testing.T) *stage {
	t.Helper()
	c.once.Do(func() { c.stage, c.err = newStage(context.Background(), plane.Options{}) })
	require.NoError(t, c.err)
	return c.stage
}

func (c *common) end(failed bool) error {
	if c.stage == nil {
		return nil
	}
	return c.stage.end(failed)
}

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		fmt.Println("the real providers need a real control plane: left out")
		return
	}
	code := m.Run()
	if err := errors.Join(shared.end(code != 0), harness.CleanBuilds()); err != nil {
		fmt.Fprintln(os.Stderr, "FAIL:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// newStage starts a plane with all providers, or those of the options, and the operator on it. With Cluster API's
// feature gate RuntimeSDK, the operator serves hooks.
func newStage(ctx context.Context, options plane.Options) (*stage, error) {
	options.Log = os.Stderr
	if options.Providers == nil {
		options.Providers = plane.Providers()
	}
	p, err := plane.Start(ctx, options)
	if err != nil {
		return nil, err
	}
	s := &stage{}
	if err := s.set(ctx, p, options); err != nil {
		if s.World != nil {
			s.Close()
		}
		return nil, errors.Join(err, p.Stop())
	}
	return s, nil
}

// newStageFor returns a stage for one test.
func newStageFor(t *testing.T, options plane.Options) *stage {
	t.Helper()
	s, err := newStage(t.Context(), options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.end(t.Failed())) })
	return s
}

func (s *stage) set(ctx context.Context, p *plane.Plane, with plane.Options) error {
	var err error
	if s.World, err = harness.NewWorld(ctx, p); err != nil {
		return err
	}
	if s.guard, err = harness.NewGuard(s.World); err != nil {
		return err
	}
	if slices.Contains(with.Providers, plane.VSphere) {
		if s.vcenter, err = p.VCenter(); err != nil {
			return err
		}
		if err := s.credentials(ctx, credentials); err != nil {
			return err
		}
	}
	if err := harness.Grant(ctx, p); err != nil {
		return err
	}
	var options harness.OperatorOptions
	if with.FeatureGates["RuntimeSDK"] {
		if err := harness.GrantExtension(ctx, p); err != nil {
			return err
		}
		if options.Args, _, err = harness.ExtensionArgs(ctx); err != nil {
			return err
		}
		options.Env = []string{"POD_NAMESPACE=" + harness.Namespace}
	}
	if s.operator, err = harness.StartOperator(ctx, p, options); err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := s.operator.WaitServing(waiting); err != nil {
		return errors.Join(err, s.operator.Kill())
	}
	return nil
}

// credentials applies the vCenter credentials of the vSphere page, under a name.
func (s *stage) credentials(ctx context.Context, name string) error {
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "vsphere-rke2.md"))
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(string(page), "\n```yaml\n")
	manifest, _, found := strings.Cut(rest, "\n```\n")
	if !found || !strings.Contains(manifest, "kind: VSphereClusterIdentity") {
		return errors.New("the page on vSphere does not begin with vCenter's credentials")
	}
	own := strings.NewReplacer("administrator@vsphere.local", s.vcenter.Username, "password: ...",
		"password: "+s.vcenter.Password,
		": "+credentials+"\n", ": "+name+"\n")
	_, err = plane.ApplyYAML(ctx, s.Plane.Config(), own.Replace(manifest))
	return err
}

// end stops operator and plane, and returns what went wrong on it; if tests have failed it shows the logs.
func (s *stage) end(failed bool) error {
	if failed {
		fmt.Fprintln(os.Stderr, "the log of the operator ends with:\n"+s.operator.LogTail(40))
		for _, component := range s.Plane.Status() {
			fmt.Fprintf(os.Stderr, "the log of %s ends with:\n%s\n", component.Name, component.LogTail(5))
		}
	}
	failures := []error{s.operator.Kill()}
	for _, breach := range s.guard.Breaches() {
		failures = append(failures, errors.New("an invariant was broken: "+breach))
	}
	s.Close()
	return errors.Join(append(failures, s.Plane.Stop())...)
}
