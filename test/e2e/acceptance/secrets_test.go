package acceptance

import (
	"crypto/tls"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
)

// secretsInLog matches tokens of service accounts, whole or as hexadecimal bytes, keys, and the headers that carry
// them.
var secretsInLog = regexp.MustCompile(`eyJ[\w-]{8,}\.|65 79 4a|PRIVATE KEY|LS0tLS1CRUdJTi|Bearer [^<]`)

// TestNoSecretsInLogs: at the highest verbosity, with protected metrics and hooks with a certificate, the log holds
// no token and no key, of ours or of others, and no value of a variable.
func TestNoSecretsInLogs(t *testing.T) {
	const variable = "the-value-of-a-variable"
	e := onPlane(t)
	require.NoError(t, harness.GrantExtension(t.Context(), e.Plane))
	extension, _, err := harness.ExtensionArgs(t.Context())
	require.NoError(t, err)
	operator := startOperator(t, e.Plane, harness.OperatorOptions{
		Args: append(extension, "--v=99", "--log-level=debug", "--insecure-diagnostics=false"),
		Env:  []string{"POD_NAMESPACE=" + harness.Namespace},
	})
	waitServing(t, operator)
	s := newScope(t, e, operator)
	s.bothPools()
	s.create(harness.NewClass{Namespace: s.name, Name: "secretive", Variables: []any{map[string]any{
		"name": "password", "required": false,
		"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "string"}},
	}}})
	s.pool(controlPlane+","+ingress, 30, 49, func(p *harness.NewPool) { p.Class = "secretive" })
	s.cluster("one")
	s.cluster("two", func(c *harness.NewCluster) {
		c.Class, c.Variables = "secretive", map[string]any{"password": variable}
	})
	s.served("one")
	s.served("two")
	s.annotate("two", names.Annotation(ingress), nil)
	s.served("two")

	path, err := e.Plane.ServiceAccountKubeconfig(t.Context(), harness.Namespace, "capi-vip-allocator")
	require.NoError(t, err)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	config, err := clientcmd.RESTConfigFromKubeConfig(content)
	require.NoError(t, err)
	require.NotEmpty(t, config.BearerToken)
	for token, want := range map[string]int{
		config.BearerToken: http.StatusForbidden, "eyJhbGciOiJub25lIn0.e30.": http.StatusUnauthorized,
	} {
		require.Equal(t, want, scrape(t, operator, token))
	}
	s.delete("two")
	s.gone("two")
	require.Greater(t, len(operator.Logs()), 100, "it says much")
	for _, line := range operator.Logs() {
		require.NotContains(t, line.Raw, config.BearerToken)
		require.NotContains(t, line.Raw, variable)
		require.NotRegexp(t, secretsInLog, line.Raw)
	}
}

// TestRefusalQuotesNoVariable: if the class no longer accepts the value of a variable, Cluster API's webhook quotes
// it on every write to the Cluster. None of it reaches the log, an event or a condition.
func TestRefusalQuotesNoVariable(t *testing.T) {
	const secret = "correct-horse-battery"
	e := onPlane(t)
	operator := runOperator(t, e, "--retry-interval=1s")
	s := newScope(t, e, operator)
	password := func(schema map[string]any) []any {
		variable := declared("password", "string")
		schema["type"] = "string"
		variable["schema"] = map[string]any{"openAPIV3Schema": schema}
		return []any{variable}
	}
	class := s.name + "-secretive"
	s.create(harness.NewClass{Namespace: s.name, Name: class, Variables: password(map[string]any{})})
	inClass := func(p *harness.NewPool) { p.Class = class }
	s.pool(controlPlane, 10, 19, inClass)
	s.cluster("one", func(c *harness.NewCluster) { c.Class, c.Variables = class, map[string]any{"password": secret} })
	s.sees("one", endpoint(s.ip(10), 6443), condition(controlPlane, names.ReasonIPAddressAssigned))
	require.NoError(t, harness.Merge(t.Context(), e.Classes(s.name), class,
		map[string]any{"spec": map[string]any{"variables": password(map[string]any{"pattern": "^[0-9]+$"})}}))
	annotate := func() error {
		return harness.Merge(t.Context(), s.Clusters(s.name), "one",
			map[string]any{"metadata": map[string]any{"annotations": map[string]any{"a": "b"}}})
	}
	s.eventually("the webhook refuses, and quotes", func() error {
		if err := annotate(); err == nil || !strings.Contains(err.Error(), secret) {
			return harness.ErrNotYet
		}
		return nil
	})
	s.pool(ingress, 20, 29, inClass) // now there is something to write
	require.Contains(t, s.hasEvent("one", "Warning "+names.EventWriteRefused).Message,
		"spec.topology.variables[password]")
	for reason, event := range s.events("one") {
		require.NotContains(t, event.Message, secret, reason)
	}
	for _, line := range operator.Logs() {
		require.NotContains(t, line.Raw, secret)
	}
	if refused := s.get("one").Condition(ingress); refused != nil {
		require.NotContains(t, refused.Message, secret)
	}
	require.NoError(t, harness.Merge(t.Context(), e.Classes(s.name), class, map[string]any{
		"spec": map[string]any{"variables": password(map[string]any{})},
	}))
	s.served("one")
}

// scrape requests the operator's metrics with a token, and returns the status of the answer.
func scrape(t *testing.T, operator *harness.Operator, token string) int {
	t.Helper()
	client := &http.Client{
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true},
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
		"https://"+operator.Address("diagnostics")+"/metrics", http.NoBody)
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := client.Do(request)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode
}
