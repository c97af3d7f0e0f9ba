package acceptance

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// DNS names follow the VIPs, from the moment their kind is served until the release.
func TestDNS(t *testing.T) {
	e := onPlane(t)
	s := newScope(t, e, nil)
	s.bothPools()
	s.operator = runOperator(t, e, "--base-domain=example.com",
		"--dns-names=control-plane=api.{cluster}.{baseDomain},ingress=*.{cluster}.{baseDomain}",
		"--reconcile-period=1s")
	t.Cleanup(s.end)

	s.cluster("prod")
	s.served("prod")
	require.NotEmpty(t, s.operator.Logged("no DNS records are kept: the kind of external-dns for them is not served; "+
		"install its CRD, or leave baseDomain empty"))
	s.keeps(0)

	manifest, err := os.ReadFile("testdata/dnsendpoint.yaml")
	require.NoError(t, err)
	_, err = plane.ApplyYAML(t.Context(), e.Plane.Config(), string(manifest))
	require.NoError(t, err)
	hasRecords := func(name string, want ...string) {
		t.Helper()
		s.eventually("the DNS records of "+name, func() error { return s.hasRecords(name, want...) })
	}
	hasRecords("prod", "*.prod.example.com A "+s.ip(20), "api.prod.example.com A "+s.ip(10))
	s.keeps(1)

	t.Run("if someone changes a record, should restore it", func(t *testing.T) {
		s := s.in(t)
		require.NoError(t, harness.Merge(t.Context(), s.records(), recordsOf("prod"), map[string]any{
			"spec": map[string]any{"endpoints": []any{}},
		}))
		s.eventually("the records are back", func() error {
			return s.hasRecords("prod", "*.prod.example.com A "+s.ip(20), "api.prod.example.com A "+s.ip(10))
		})
	})
	t.Run("if someone deletes the records, should restore them", func(t *testing.T) {
		s := s.in(t)
		require.NoError(t, s.records().Delete(t.Context(), recordsOf("prod"), metav1.DeleteOptions{}))
		s.eventually("the records are back", func() error {
			return s.hasRecords("prod", "*.prod.example.com A "+s.ip(20), "api.prod.example.com A "+s.ip(10))
		})
	})
	t.Run("if someone takes an annotation away, should keep the name", func(t *testing.T) {
		s := s.in(t)
		mark := s.mark()
		s.annotate("prod", names.Annotation(ingress), nil)
		s.sees("prod", annotation(ingress, s.ip(20)))
		s.handled()
		require.Empty(t, s.writes(mark).Filter(func(e planeEntry) bool { return e.Resource == "dnsendpoints" }))
	})
	t.Run("if nobody owns the records any more, as after a restore, should take them over", func(t *testing.T) {
		s := s.in(t)
		require.NoError(t, harness.Merge(t.Context(), s.records(), recordsOf("prod"), map[string]any{
			"metadata": map[string]any{"ownerReferences": nil},
		}))
		s.eventually("the Cluster owns them", func() error {
			object, err := s.records().Get(t.Context(), recordsOf("prod"), metav1.GetOptions{})
			if err == nil && !metav1.IsControlledBy(object, s.get("prod")) {
				err = fmt.Errorf("the owners are %v", object.GetOwnerReferences())
			}
			return err
		})
	})
	t.Run("if the records belong to someone else, should leave them and say so", func(t *testing.T) {
		s := s.in(t)
		object := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "externaldns.k8s.io/v1alpha1", "kind": "DNSEndpoint",
			"metadata": map[string]any{"name": recordsOf("taken"), "namespace": s.name},
		}}
		_, err := s.records().Create(t.Context(), object, metav1.CreateOptions{})
		require.NoError(t, err)
		s.cluster("taken")
		s.served("taken")
		s.sees("taken", func(c *harness.Cluster) error {
			if message := c.Condition(controlPlane).Message; !strings.Contains(message, "belongs to someone else") {
				return errors.New(message)
			}
			return nil
		})
	})
	t.Run("if nothing changes, should write nothing", func(t *testing.T) {
		s := s.in(t)
		s.settled()
		mark := s.mark()
		s.handled()
		require.Empty(t, s.changes(mark))
	})
	s.delete("prod")
	s.gone("prod")
	s.eventually("the records are gone", func() error { return s.hasRecords("prod") })
}

// TestDNSNamesCollide: two Clusters of the same name would have the same DNS names. Only events of the older one may
// wake the younger one: for an hour the operator looks at nothing by itself.
func TestDNSNamesCollide(t *testing.T) {
	e := onPlane(t)
	manifest, err := os.ReadFile("testdata/dnsendpoint.yaml")
	require.NoError(t, err)
	_, err = plane.ApplyYAML(t.Context(), e.Plane.Config(), string(manifest))
	require.NoError(t, err)
	older, younger := newScope(t, e, nil), newScope(t, e, nil)
	run := func(args ...string) {
		operator := runOperator(t, e,
			append([]string{"--base-domain=example.com", "--retry-interval=1h", "--reconcile-period=1h"}, args...)...)
		older.operator, younger.operator = operator, operator
		t.Cleanup(older.end) // while this operator runs
		t.Cleanup(younger.end)
	}
	run("--dns-names=control-plane=api.{cluster}.{baseDomain},ingress=*.{cluster}.{baseDomain}")
	older.cluster("twin")
	younger.cluster("twin")
	age := func(c *harness.Cluster) string {
		return c.GetCreationTimestamp().UTC().Format(time.RFC3339) + string(c.GetUID())
	}
	if age(younger.sees("twin")) < age(older.sees("twin")) { // both may be created in the same second
		older, younger = younger, older
	}
	awaitRecords := func(s *scope, cluster string, want ...string) {
		t.Helper()
		s.eventually("the DNS records of "+s.name+"/"+cluster, func() error { return s.hasRecords(cluster, want...) })
	}
	both := func(s *scope, domain string) []string {
		return []string{"*." + domain + " A " + s.ip(20), "api." + domain + " A " + s.ip(10)}
	}
	taken := func(other *scope, want bool) check {
		return func(c *harness.Cluster) error {
			message := c.Condition(controlPlane).Message
			if strings.Contains(message, "api.twin.example.com collides with a name of an older Cluster") != want ||
				strings.Contains(message, other.name) {
				return errors.New(message)
			}
			return nil
		}
	}

	younger.bothPools()
	younger.served("twin")
	awaitRecords(younger, "twin", both(younger, "twin.example.com")...)

	older.bothPools() // now the older one has VIPs too
	older.served("twin")
	awaitRecords(older, "twin", both(older, "twin.example.com")...)
	awaitRecords(younger, "twin")
	younger.sees("twin", taken(older, true))
	older.sees("twin", taken(younger, false))

	older.cluster("www.twin") // would have names below the wildcard, or those of another Cluster
	older.sees("www.twin", condition(controlPlane, names.ReasonIPAddressAssigned), func(c *harness.Cluster) error {
		if message := c.Condition(controlPlane).Message; !strings.Contains(message, `"www.twin" has a dot`) {
			return errors.New(message)
		}
		return nil
	})
	awaitRecords(older, "www.twin")

	older.delete("twin")
	older.gone("twin")
	awaitRecords(younger, "twin", both(younger, "twin.example.com")...)
	younger.sees("twin", taken(older, false))

	stop(t, older.operator)
	run() // the default gives no two Clusters the same DNS names
	older.cluster("twin")
	older.served("twin")
	for _, s := range []*scope{older, younger} {
		domain := "twin." + s.name + ".example.com"
		s.eventually("the DNS records of "+s.name, func() error {
			c := s.get("twin")
			return s.hasRecords("twin", "*."+domain+" A "+c.VIP(ingress), "api."+domain+" A "+c.VIP(controlPlane))
		})
	}
	awaitRecords(older, "www.twin")
}

// keeps waits until the operator's metric says whether it keeps DNS records.
func (s *scope) keeps(want float64) {
	s.t.Helper()
	const name = "capi_vip_dns_records_kept"
	s.eventually(name, func() error {
		metrics, err := s.operator.Metrics(s.t.Context())
		if err == nil && (!metrics.Has(name, nil) || metrics.Value(name, nil) != want) {
			err = fmt.Errorf("it is %v, wanted %v", metrics.Value(name, nil), want)
		}
		return err
	})
}

func recordsOf(cluster string) string { return names.DNSEndpointName(cluster) }

func (s *scope) records() dynamic.ResourceInterface {
	return s.Dynamic.Resource(schema.GroupVersionResource{
		Group: "externaldns.k8s.io", Version: "v1alpha1", Resource: "dnsendpoints",
	}).Namespace(s.name)
}

// hasRecords checks the DNS records of a Cluster, each "name type target"; without any, the object must not exist.
func (s *scope) hasRecords(cluster string, want ...string) error {
	list, err := s.records().List(s.t.Context(), metav1.ListOptions{
		FieldSelector: "metadata.name=" + recordsOf(cluster),
	})
	if err != nil {
		return err
	}
	var got []string
	for _, item := range list.Items {
		endpoints, _, _ := unstructured.NestedSlice(item.Object, "spec", "endpoints")
		for _, endpoint := range endpoints {
			e, _ := endpoint.(map[string]any)
			targets, _ := e["targets"].([]any)
			for _, target := range targets {
				got = append(got, fmt.Sprint(e["dnsName"], " ", e["recordType"], " ", target))
			}
		}
	}
	if !assert.ObjectsAreEqual(append([]string{}, want...), append([]string{}, got...)) {
		return fmt.Errorf("the records are %q, wanted %q", got, want)
	}
	return nil
}
