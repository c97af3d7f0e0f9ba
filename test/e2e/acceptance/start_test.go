package acceptance

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// longShutdown is more than an idle operator needs to stop.
const longShutdown = 5 * time.Second

func TestStart(t *testing.T) {
	e := onPlane(t)
	s := newScope(t, e, nil)
	s.bothPools()
	s.cluster("early")
	s.cluster("provided", func(c *harness.NewCluster) { c.Host, c.Port = "provided.example.com", 6443 })

	config := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(config, []byte("defaultPort: 7443\nretryInterval: 2s\n"), 0o600))
	s.operator = runOperator(t, e, "--config="+config, "--retry-interval=1s", "--insecure-diagnostics=false")

	t.Run("if Clusters were there before the operator, should serve them, "+
		"with the port of the config file", func(t *testing.T) {
		s := s.in(t)
		require.Equal(t, int64(7443), s.served("early").Endpoint().Port)
		s.sees("provided", condition(controlPlane, names.ReasonEndpointProvided),
			condition(ingress, names.ReasonIPAddressAssigned))
	})
	t.Run("if diagnostics are secured, should show metrics only to those who may see them", func(t *testing.T) {
		s.in(t).securedMetrics()
	})
	t.Run("if told to end, should end cleanly and soon", func(t *testing.T) {
		require.Less(t, stop(t, s.operator), longShutdown)
		require.NotEmpty(t, s.operator.Logged("stopped"))
	})
	s.operator = runOperator(t, e)
	t.Cleanup(s.end)
}

// in returns the scope for a subtest.
func (s *scope) in(t *testing.T) *scope {
	t.Helper()
	inner := *s
	inner.t = t
	return &inner
}

const viewers = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: viewer, namespace: %[1]s}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: stranger, namespace: %[1]s}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: %[1]s-metrics}
rules:
- {nonResourceURLs: [/metrics], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: %[1]s-metrics}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: %[1]s-metrics}
subjects:
- {kind: ServiceAccount, name: viewer, namespace: %[1]s}
`

func (s *scope) securedMetrics() {
	s.t.Helper()
	_, err := plane.ApplyYAML(s.t.Context(), s.Plane.Config(), fmt.Sprintf(viewers, s.name))
	require.NoError(s.t, err)
	var address string
	for _, line := range s.operator.Logged("serving") {
		if line.Fields["server"] == "diagnostics" {
			address, _ = line.Fields["address"].(string)
			require.Equal(s.t, true, line.Fields["tls"])
		}
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // it makes its own certificate
	defer transport.CloseIdleConnections()
	ask := func(account string) int {
		request, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet,
			"https://"+address+"/metrics", http.NoBody)
		require.NoError(s.t, err)
		if account != "" {
			config, err := s.Plane.ServiceAccountConfig(s.t.Context(), s.name, account)
			require.NoError(s.t, err)
			request.Header.Set("Authorization", "Bearer "+config.BearerToken)
		}
		response, err := transport.RoundTrip(request)
		require.NoError(s.t, err)
		require.NoError(s.t, response.Body.Close())
		return response.StatusCode
	}
	require.Equal(s.t, http.StatusUnauthorized, ask(""))
	require.Equal(s.t, http.StatusForbidden, ask("stranger"))
	require.Equal(s.t, http.StatusOK, ask("viewer"))
}

func TestFilters(t *testing.T) {
	e := onPlane(t)
	blue := func(c *harness.NewCluster) { c.Labels = map[string]string{names.WatchFilter: "blue"} }
	red := func(c *harness.NewCluster) { c.Labels = map[string]string{names.WatchFilter: "red"} }

	t.Run("if there is a watch filter, should serve only the Clusters with that label", func(t *testing.T) {
		operator := runOperator(t, e, "--watch-filter=blue")
		s := newScope(t, e, operator)
		s.bothPools()
		s.cluster("red", red)
		s.cluster("none")
		s.cluster("blue", blue)
		s.served("blue")
		s.cluster("later", blue)
		s.served("later")
		require.Empty(t, s.writes(0).Filter(func(e planeEntry) bool { return e.Name == "red" || e.Name == "none" }))
		require.Len(t, s.ClaimsIn(s.name), 4)
		// The end of the test needs an operator that serves everything.
		require.NoError(t, operator.Kill())
		s.operator = runOperator(t, e)
		t.Cleanup(s.end)
		s.served("red")
	})
	t.Run("if there is a namespace, should serve only the Clusters in it", func(t *testing.T) {
		helper := newScope(t, e, nil)
		s := newScope(t, e, nil)
		s.operator = runOperator(t, e, "--namespace="+s.name)
		s.pool(controlPlane, 10, 19, func(p *harness.NewPool) { p.Class = s.name + "," + helper.name })
		helper.cluster("outside")
		s.cluster("inside")
		s.sees("inside", endpoint(s.ip(10), 6443), condition(controlPlane, names.ReasonIPAddressAssigned))
		helper.operator = s.operator
		require.Empty(t, helper.writes(0))
		require.Nil(t, helper.Claim(helper.name, "vip-cp-outside"))
		// Its class may be in another namespace: its declarations count all the same.
		s.pool(controlPlane, 20, 29, func(p *harness.NewPool) {
			p.Class, p.Annotations = helper.name+"/"+helper.name+"-far", readers["variable"].pool
		})
		far := readers["variable"].class
		far.Namespace, far.Name = helper.name, helper.name+"-far"
		s.create(far)
		s.cluster("far", func(c *harness.NewCluster) { c.Class, c.ClassNamespace = far.Name, far.Namespace })
		s.sees("far", condition(controlPlane, names.ReasonIPAddressAssigned), endpoint(s.ip(20), 6443),
			variable("vip", s.ip(20)))
		helper.delete("outside")
		helper.gone("outside")
		s.delete("far")
		s.gone("far")
		s.delete("inside")
		s.gone("inside")
	})
}
