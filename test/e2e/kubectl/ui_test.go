package kubectl

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/live"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// pages runs kubectl vip ui and reads its pages like a browser without scripts.
type pages struct {
	*http.Client
	address *url.URL
}

// ui starts kubectl vip ui and stops it with the test.
func (e *env) ui(t *testing.T) *pages {
	t.Helper()
	address, stop, err := harness.StartUI(e.kubeconfig, t.Output())
	require.NoError(t, err)
	t.Cleanup(func() { assert.Equal(t, kubectlvip.ExitFine, stop(), "to be interrupted is how it ends") })
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	p := &pages{&http.Client{Jar: jar}, address}
	p.get(t, address.RequestURI())
	return p
}

func (p *pages) at(path string) string { return p.address.Scheme + "://" + p.address.Host + path }

func (p *pages) get(t *testing.T, path string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.at(path), http.NoBody)
	require.NoError(t, err)
	return p.do(t, r)
}

func (p *pages) do(t *testing.T, r *http.Request) string {
	t.Helper()
	response, err := p.Do(r)
	require.NoError(t, err)
	text, err := io.ReadAll(response.Body)
	require.NoError(t, errors.Join(err, response.Body.Close()))
	require.Equal(t, http.StatusOK, response.StatusCode, string(text))
	return string(text)
}

// shows checks the pages: what is there, what would come, and what comes.
func (e *env) shows(t *testing.T) {
	p := e.ui(t)
	assert.Contains(t, p.get(t, "/"), "GlobalInClusterIPPool")
	pool := p.get(t, "/pool?kind=GlobalInClusterIPPool&name=cp")
	assert.Contains(t, pool, "10.0.0.1: held, Cluster team/first, role control-plane, claim team/vip-cp-first")
	assert.Contains(t, pool, "10.0.0.0: reserved")
	assert.Contains(t, p.get(t, "/cluster?namespace=team&name=first"), "The Cluster has its VIPs.")

	coming := harness.NewCluster{Namespace: team, Name: "coming", Class: "metal"}
	manifest, err := yaml.Marshal(coming.Manifests(e.Version)[0])
	require.NoError(t, err)
	assert.Contains(t, p.plan(t, string(manifest)), "It would get its VIPs.")
	assert.NotContains(t, p.get(t, "/clusters"), "team/coming", "a plan changes nothing, on the pages neither")

	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.at("/events"), http.NoBody)
	require.NoError(t, err)
	events, err := p.Do(r)
	require.NoError(t, err)
	defer func() { _ = events.Body.Close() }() // it was only read
	require.NoError(t, e.Create(t.Context(), coming))
	for lines := bufio.NewScanner(events.Body); !strings.Contains(p.get(t, "/clusters"), "team/coming"); {
		require.True(t, lines.Scan(), "the events end before the Cluster is there: %v", lines.Err())
	}
	require.NoError(t, harness.Delete(t.Context(), e.Clusters(team), "coming"))
	e.await(t, func() error {
		if strings.Contains(p.get(t, "/clusters"), "team/coming") {
			return errors.New("the Cluster that is gone is still shown")
		}
		return nil
	})
}

// becomesOutdated configures the operator for other pools, which earlier reads do not include.
func (e *env) becomesOutdated(t *testing.T) {
	var asked atomic.Int64
	config := e.Plane.Config()
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path == "/version" {
				asked.Add(1)
			}
			return next.RoundTrip(r)
		})
	})
	reader, err := live.NewReader(config)
	require.NoError(t, err)
	world, err := reader.Discover(t.Context())
	require.NoError(t, err)
	interrupted, cancel := context.WithCancel(t.Context())
	cancel()
	require.False(t, world.AwaitOutdated(interrupted, time.Millisecond))

	outdated := make(chan bool, 1)
	before := asked.Load()
	go func() { outdated <- world.AwaitOutdated(t.Context(), time.Millisecond) }()
	e.await(t, func() error {
		if asked.Load() < before+3 {
			return errors.New("it has not asked several times")
		}
		return nil
	})
	require.Empty(t, outdated, "nothing has changed")
	configure := func(options string) {
		_, err := plane.ApplyYAML(context.WithoutCancel(t.Context()), e.Plane.Config(), fmt.Sprintf(`
{apiVersion: v1, kind: ConfigMap, metadata: {name: options, namespace: %s}, data: {config.yaml: %q}}
`, harness.Namespace, options))
		require.NoError(t, err)
	}
	t.Cleanup(func() { configure("defaultPort: 8443") })
	configure("poolKinds: [{apiVersion: apps/v1, kind: Deployment}]")
	e.await(t, func() error {
		if len(outdated) == 0 {
			return errors.New("it has not noticed")
		}
		return nil
	})
	require.True(t, <-outdated)
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// plan asks what the Clusters of a manifest would get, as the form does.
func (p *pages) plan(t *testing.T, manifest string) string {
	t.Helper()
	r := planForm(t, p.at("/plan"), manifest)
	r.Header.Set("Origin", p.at(""))
	return p.do(t, r)
}

// planForm returns the request that the form makes.
func planForm(t *testing.T, address, manifest string) *http.Request {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	require.NoError(t, errors.Join(form.WriteField("manifest", manifest), form.Close()))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, &body)
	require.NoError(t, err)
	r.Header.Set("Content-Type", form.FormDataContentType())
	return r
}
