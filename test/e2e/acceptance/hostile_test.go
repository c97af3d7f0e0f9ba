package acceptance

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
)

const (
	// allAnnotations is how many bytes the annotations of an object may take in total, keys and values.
	allAnnotations = 256 << 10
	// mostMemory is what an operator may use with objects of the largest size; the chart allows twice as much.
	mostMemory = 256 << 20
)

// filler returns a foreign annotation of this many bytes, key included.
func filler(bytes int) map[string]string {
	const key = "example.com/filler"
	return map[string]string{key: strings.Repeat("x", bytes-len(key))}
}

// blob creates a class with a variable that may hold anything, and returns what makes a Cluster of that class.
func (s *scope) blob() func(bytes int) func(*harness.NewCluster) {
	s.t.Helper()
	s.create(harness.NewClass{Namespace: s.name, Name: "blob", Variables: []any{map[string]any{
		"name": "blob", "required": false,
		"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "string"}},
	}}})
	return func(bytes int) func(*harness.NewCluster) {
		return func(c *harness.NewCluster) {
			c.Class, c.Variables = "blob", map[string]any{"blob": strings.Repeat("x", bytes)}
		}
	}
}

func TestLargestObjects(t *testing.T) {
	e := onPlane(t)
	operator := runOperator(t, e)
	s := newScope(t, e, operator)
	both := func(p *harness.NewPool) { p.Class = s.name + ",blob" }
	cp := s.pool(controlPlane, 10, 29, both)
	s.pool(ingress, 30, 49, both)
	blob := s.blob()

	t.Run("if a Cluster has more than a megabyte, should serve it", func(t *testing.T) {
		s := s.in(t)
		s.patience *= 3 // Cluster API and its webhooks take seconds for each step
		s.cluster("large", blob(900<<10), func(c *harness.NewCluster) { c.Annotations = filler(200 << 10) })
		text, err := s.served("large").MarshalJSON()
		require.NoError(t, err)
		require.Greater(t, len(text), 1<<20)
	})
	t.Run("if there is no room for our annotations, should say so, not go on and on, "+
		"and serve the Cluster when there is", func(t *testing.T) {
		s := s.in(t)
		s.cluster("full", func(c *harness.NewCluster) { c.Annotations = filler(allAnnotations) })
		event := s.hasEvent("full", "Warning "+names.EventWriteRefused)
		require.Contains(t, event.Message, "metadata.annotations: FieldValueTooLong")
		require.Contains(t, event.Message, "remove annotations")
		mark := s.mark()
		for i := range 50 {
			s.edit("full", map[string]any{
				"metadata": map[string]any{"labels": map[string]any{"edit": strconv.Itoa(i)}},
			})
		}
		s.handled()
		require.Less(t, len(s.writes(mark)), 50)
		s.sees("full", endpoint("", 0))
		s.cluster("beside")
		s.served("beside")
		s.annotate("full", "example.com/filler", nil)
		s.served("full")
	})
	t.Run("if a pool has thousands of entries, should serve from it", func(t *testing.T) {
		s := s.in(t)
		var entries []string
		for i := range 3000 {
			entries = append(entries, fmt.Sprintf("10.250.%d.%d", i/200, 1+i%200))
		}
		s.create(harness.NewClass{Namespace: s.name, Name: "many"})
		s.pool(controlPlane+","+ingress, 0, 0, func(p *harness.NewPool) {
			p.Class, p.Addresses, p.Prefix = "many", entries, 16
		})
		s.cluster("many", func(c *harness.NewCluster) { c.Class = "many" })
		s.served("many")
		s.cluster("typed", func(c *harness.NewCluster) { c.Class, c.Host, c.Port = "many", "10.250.14.200", 6443 })
		s.hasEvent("typed", "Warning "+names.EventEndpointInPoolRange)
	})
	t.Run("if a claim has hundreds of labels, should adopt it", func(t *testing.T) {
		s := s.in(t)
		labels := map[string]string{}
		for i := range 500 {
			labels[fmt.Sprintf("example.com/label-%d", i)] = strings.Repeat("v", 63)
		}
		s.create(harness.NewClaim{
			Namespace: s.name, Name: "vip-cp-labelled", Pool: cp, Labels: labels, Annotations: filler(allAnnotations),
		})
		address := s.bound("vip-cp-labelled")
		s.cluster("labelled")
		require.Equal(t, address, s.served("labelled").Endpoint().Host)
		s.eventually("the claim has its labels and ours", func() error {
			if got := len(s.Claim(s.name, "vip-cp-labelled").GetLabels()); got != len(labels)+2 {
				return fmt.Errorf("it has %d labels", got)
			}
			return nil
		})
	})
	usage, err := operator.Usage()
	require.NoError(t, err)
	t.Logf("the operator has %d MiB, %d at most, and has computed for %s", usage.RSS>>20, usage.PeakRSS>>20, usage.CPU)
	require.Less(t, usage.PeakRSS, int64(mostMemory))
}

// TestManyPools: five hundred pools serve one class, some of them broken; the operator finds the right one, and fast.
func TestManyPools(t *testing.T) {
	const pools, clusters = 500, 20
	s := ordinary(t)
	s.patience = 5 * patience // this many pools must also be deleted, beside other tests
	for i := range pools {
		pool := harness.NewPool{
			Name:  fmt.Sprintf("%s-%03d-%s", s.name, i, strings.Repeat("x", 253-len(s.name)-5)),
			Class: s.name, Role: []string{controlPlane, ingress, controlPlane + "," + ingress, "storage"}[i%4],
			Addresses: []string{fmt.Sprintf("10.240.%d.%d", i/250, 1+i%250)}, Prefix: 16,
			Annotations: map[string]string{names.Priority: strconv.Itoa(i % 7)},
		}
		switch i % 50 {
		case 10:
			pool.Annotations[names.Priority] = "high"
		case 20:
			pool.Labels = map[string]string{names.Role: "UPPER_case"}
		case 30:
			pool.Annotations[names.Namespaces] = " , "
		case 40:
			pool.Labels = map[string]string{names.ClusterClass: names.SeeAnnotation}
			pool.Annotations[names.ClusterClass] = "a/b/c,," + s.name + ",Ä"
		}
		s.create(pool)
		s.pools = append(s.pools, poolKey{"", pool.Name})
	}
	s.eventually("all pools report their capacity", func() error {
		for _, pool := range s.pools {
			if _, known := s.Capacity("", pool.name); !known {
				return errors.New(pool.name)
			}
		}
		return nil
	})
	var took []time.Duration
	for i := range clusters {
		begin := time.Now()
		s.cluster(fmt.Sprintf("c%02d", i))
		s.served(fmt.Sprintf("c%02d", i))
		took = append(took, time.Since(begin))
		pool := s.Claim(s.name, names.ClaimName(fmt.Sprintf("c%02d", i), controlPlane)).Pool()
		require.Equal(t, 6, slices.IndexFunc(s.pools, func(p poolKey) bool { return p.name == pool })%7,
			"the highest priority, which is %s's", pool)
	}
	slices.Sort(took)
	t.Logf("with %d pools a Cluster is served after %s (median), %s at most",
		pools, took[len(took)/2], took[len(took)-1])
	s.used(s.pools[0].name, 0)
}

// TestNamesAtTheirLimits: everything has the longest name that the API server and Cluster API accept.
func TestNamesAtTheirLimits(t *testing.T) {
	outer := ordinary(t)
	longest := func(prefix string, limit int) string { return prefix + strings.Repeat("n", limit-len(prefix)) }
	s := *outer
	s.name, s.pools = longest(outer.name, 63), nil
	require.NoError(t, s.CreateNamespace(t.Context(), s.name))
	t.Cleanup(s.end)
	s.create(harness.NewClass{Namespace: s.name, Name: s.name})
	role, cluster := longest("r", 63), longest("c", 63)
	for i, role := range []string{controlPlane, ingress, role} {
		s.pool(role, 10*(i+1), 10*(i+1)+5, func(p *harness.NewPool) {
			p.Name = longest(fmt.Sprintf("%s-%d", outer.name, i), 253)
		})
	}
	s.cluster(cluster)
	served := s.served(cluster)
	s.sees(cluster, condition(role, names.ReasonIPAddressAssigned), annotation(role, s.ip(30)))
	require.Equal(t, s.bound(names.ClaimName(cluster, role)), served.VIP(role))
	for _, claim := range s.ClaimsIn(s.name) {
		require.Equal(t, cluster, claim.GetLabels()[names.ClusterName])
		require.Equal(t, cluster, claim.ClusterName())
	}
	s.annotate(cluster, names.Annotation(role), nil)
	s.sees(cluster, annotation(role, s.ip(30)))
	s.delete(cluster)
	s.gone(cluster)
}
