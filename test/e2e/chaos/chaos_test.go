package chaos

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"pgregory.net/rapid"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

const (
	controlPlane = names.RoleControlPlane
	ingress      = names.RoleIngress
	// calm bounds the wait until everything is as it must be. After faults that is mostly the backoff of clients.
	calm = 90 * time.Second
	// attempt bounds one user operation, retries included.
	attempt = time.Minute
)

// chaos is one case.
type chaos struct {
	*stage
	model
	t *testing.T
	// name names the namespace and the class, and prefixes the names of global pools.
	name   string
	subnet string
	// flavor is how the class gets the VIP into its templates.
	flavor flavor
	// severe says that this case may still kill the API server or etcd.
	severe bool
	since  plane.Mark
	// errands are operations that wait for something that may take until the next quiet.
	errands *errgroup.Group
	// hosts are the hosts that users gave to Clusters, by UID.
	hosts   map[string]string
	begin   time.Time
	log     strings.Builder
	failure error
}

// flavor is a way in which a class gets the VIP into its templates.
type flavor string

const (
	plainClass    flavor = "nothing"
	readsVIP      flavor = "the annotation"
	takesVariable flavor = "a variable"
)

// variable is the name of the variable that receives the VIP.
const variable = "vip"

func newChaos(t *testing.T, s *stage, rt *rapid.T) *chaos {
	t.Helper()
	s.cases++
	name := fmt.Sprintf("x%04d", s.cases)
	c := &chaos{
		stage: s, model: newModel(name), t: t, name: name,
		subnet:  fmt.Sprintf("10.%d.%d", 100+s.cases/250, s.cases%250),
		errands: &errgroup.Group{}, hosts: map[string]string{}, begin: time.Now(),
	}
	c.flavor = pick(rt, []flavor{plainClass, readsVIP, takesVariable}, "class reads")
	c.severe = between(rt, 0, 3, "severe") == 0
	c.pools[0].size, c.pools[1].size = between(rt, 1, 6, "control plane addresses"),
		between(rt, 1, 6, "ingress addresses")
	switch between(rt, 0, 3, "third pool") {
	case 0:
		c.pools = append(c.pools, &pool{
			name: name + "-z", roles: []string{controlPlane}, wanted: true, serves: true, first: 50, size: 2,
		})
	case 1:
		c.pools = append(c.pools, &pool{
			name: "own", namespace: name, roles: []string{controlPlane}, serves: false, first: 70, size: 3,
		})
	case 2: // it overlaps the first
		c.pools = append(c.pools, &pool{
			name: name + "-overlap", roles: []string{controlPlane, ingress}, wanted: true, serves: true,
			first: 11, size: 4,
		})
	}
	return c
}

// run runs the case.
func (c *chaos) run(rt *rapid.T) {
	c.try(c.furnish)
	for _, k := range c.clusters[:between(rt, 0, 4, "Clusters at the beginning")] {
		c.create(rt, k)
	}
	all := operations()
	rt.Repeat(map[string]func(*rapid.T){"operate": func(rt *rapid.T) {
		if c.failure != nil {
			return
		}
		var possible []operation
		for _, o := range all {
			if o.possible == nil || o.possible(c) {
				possible = append(possible, slices.Repeat([]operation{o}, o.weight)...)
			}
		}
		chosen := pick(rt, possible, "operation")
		c.report.did(chosen.name, chosen.fault)
		chosen.do(c, rt)
	}})
	c.quiet()
	c.try(c.leave)
	if c.failure != nil {
		c.dump()
	}
	if err := c.Core.CoreV1().Namespaces().Delete(context.Background(), c.name, metav1.DeleteOptions{}); err != nil {
		c.t.Log(err)
	}
}

// furnish creates the namespace, its classes, pools and foreign Clusters.
func (c *chaos) furnish(ctx context.Context) error {
	var err error
	if c.since, err = c.Plane.Audit().Mark(ctx); err != nil {
		return err
	}
	err = c.repeat(ctx, func() error {
		err := c.CreateNamespace(ctx, c.name)
		if apierrors.IsAlreadyExists(err) {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	class := harness.NewClass{Namespace: c.name, Name: c.name}
	switch c.flavor {
	case readsVIP:
		class.Patches = []any{harness.FromAnnotation(controlPlane)}
	case takesVariable:
		class.Variables = []any{map[string]any{
			"name": variable, "required": false,
			"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "string"}},
		}}
		class.Patches = []any{harness.FromVariable(variable)}
	case plainClass:
	}
	objects := []harness.Object{class, harness.NewClass{Namespace: c.name, Name: c.name + "-unserved"}}
	for _, p := range c.pools {
		objects = append(objects, c.poolObject(p))
	}
	filter := map[string]string{names.WatchFilter: watchFilter}
	for _, cluster := range c.clusters {
		object := harness.NewCluster{Namespace: c.name, Name: cluster.name, Class: c.name, Labels: filter}
		switch cluster.foreign {
		case noTopology:
			cluster.squats = c.squatting()
			object.Class, object.Annotations = "", cluster.squats
		case otherFilter:
			object.Labels = map[string]string{names.WatchFilter: "other"}
		case noPool:
			object.Class += "-unserved"
		default:
			continue
		}
		objects = append(objects, object)
	}
	c.logf("case %s: the class reads %s", c.name, c.flavor)
	return c.repeat(ctx, func() error { return c.Ensure(ctx, objects...) })
}

// squatting returns annotations with which a Cluster without claims names every address of every pool: they must not
// keep anyone from an address.
func (c *chaos) squatting() map[string]string {
	annotations := map[string]string{harness.Unguarded: ""}
	for i, p := range c.pools {
		for n, address := range c.offers(p) {
			annotations[names.Annotation(fmt.Sprintf("squat-%d-%d", i, n))] = address
		}
	}
	return annotations
}

// logf logs an operation.
func (c *chaos) logf(format string, args ...any) {
	fmt.Fprintf(&c.log, "%7.2fs %s\n", time.Since(c.begin).Seconds(), fmt.Sprintf(format, args...))
}

// try runs do within the time that a user has, unless the case has failed already.
func (c *chaos) try(do func(context.Context) error) {
	if c.failure != nil {
		return
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), attempt)
	defer cancel()
	c.failure = do(ctx)
}

// user logs and runs a user operation, and retries it while components come and go.
func (c *chaos) user(what string, do func(ctx context.Context) error) {
	c.logf("%s", what)
	c.try(func(ctx context.Context) error {
		if err := c.repeat(ctx, func() error { return do(ctx) }); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	})
}

// repeat retries while do fails because a component is away.
func (c *chaos) repeat(ctx context.Context, do func() error) error {
	return plane.Eventually(ctx, func(context.Context) error {
		err := do()
		if err != nil && !passing(err) {
			return plane.Final(err)
		}
		return err
	})
}

// passing reports whether an error comes from a component that is away for the moment.
func passing(err error) bool {
	var network net.Error
	return errors.As(err, &network) || utilnet.IsConnectionRefused(err) || utilnet.IsConnectionReset(err) ||
		utilnet.IsProbableEOF(err) ||
		utilnet.IsHTTP2ConnectionLost(err) ||
		apierrors.IsInternalError(err) || apierrors.IsServerTimeout(err) || apierrors.IsTimeout(err) ||
		apierrors.IsTooManyRequests(err) ||
		apierrors.IsServiceUnavailable(err) || apierrors.IsConflict(err) || apierrors.IsUnexpectedServerError(err)
}
