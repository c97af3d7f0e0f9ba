package serve

import (
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/web"
)

// TestOpen: in a pod access is controlled elsewhere, and everything else works as on loopback.
func TestOpen(t *testing.T) {
	source := &still{}
	s := serving(t, ListenOpen, source)
	assert.NotContains(t, s.URL(), "?", "there is no token")
	for name, test := range map[string]struct {
		path   string
		change func(*http.Request)
		status int
		says   string
	}{
		"if the API server sends its own host, should answer": {
			"/clusters", host("rancher.example.com"), http.StatusOK, "tenant/prod",
		},
		"if a style is asked, should answer":       {"/static/app.css", nil, http.StatusOK, "body"},
		"if a probe asks, should say nothing else": {web.PathHealth, nil, http.StatusOK, "ok\n"},
		"if it is asked to delete, should refuse": {
			"/", method(http.MethodDelete), http.StatusMethodNotAllowed, "Only to read",
		},
		"if it is asked to post elsewhere, should refuse": {
			"/clusters", method(http.MethodPost), http.StatusMethodNotAllowed, "Only to read",
		},
		"if another site posts a manifest, should refuse": {
			"/plan", from("https://evil.example.com"), http.StatusForbidden, "cross-origin",
		},
		"if there is no such page, should lead back to a proxy": {
			"/a/b", nil, http.StatusNotFound, `<a href="./../">Pools</a>`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := request(t, http.MethodGet, s.at(test.path), nil)
			if test.change != nil {
				test.change(r)
			}
			answer := send(t, http.DefaultClient, r)
			assert.Equal(t, test.status, answer.StatusCode)
			assert.Contains(t, answer.text, test.says)
			assert.Empty(t, answer.Cookies())
			assert.Equal(t, policy, answer.Header.Get("Content-Security-Policy"))
			assert.Equal(t, "no-store", answer.Header.Get("Cache-Control"))
		})
	}
	t.Run("if a proxy has changed the host, should know its own page by the browser's word", func(t *testing.T) {
		r := form(t, s.at(web.PathPlan), map[string]string{"manifest": "kind: Cluster"}, nil)
		r.Header.Set("Origin", "http://127.0.0.1:8001")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		assert.Contains(t, send(t, http.DefaultClient, r).text, "It would get its VIPs.")
		assert.Equal(t, "kind: Cluster", string(source.manifest))
	})
}

// TestNothingToShow: while there is nothing to show, the pages say why and reload, and probes are answered.
func TestNothingToShow(t *testing.T) {
	s := serving(t, ListenOpen, &still{problem: errors.New("the cluster is being read")})
	for _, path := range []string{"/", "/clusters", "/plan"} {
		answer := send(t, http.DefaultClient, request(t, http.MethodGet, s.at(path), nil))
		assert.Equal(t, http.StatusServiceUnavailable, answer.StatusCode)
		assert.Contains(t, answer.text, "the cluster is being read")
		assert.NotEmpty(t, answer.Header.Get("Refresh"))
	}
	probe := send(t, http.DefaultClient, request(t, http.MethodGet, s.at(web.PathHealth), nil))
	assert.Equal(t, http.StatusOK, probe.StatusCode)
}

// TestBounds: requests that wait for changes leave room for other requests, and for probes.
func TestBounds(t *testing.T) {
	source := &still{problem: errors.New("the cluster is being read")}
	s := serving(t, ListenOpen, source)
	client := &http.Client{Transport: &http.Transport{}}
	for range maxOpen / 2 {
		response, err := client.Do(request(t, http.MethodGet, s.at(web.PathEvents), nil))
		require.NoError(t, err)
		t.Cleanup(func() { _ = response.Body.Close() })
		require.Equal(t, http.StatusOK, response.StatusCode)
	}
	answer := send(t, client, request(t, http.MethodGet, s.at(web.PathEvents), nil))
	assert.Equal(t, http.StatusServiceUnavailable, answer.StatusCode)
	assert.Contains(t, answer.text, "Too many look")
	assert.Contains(t, answer.text, "Load the page again")
	source.problem = nil
	assert.Contains(t, send(t, client, request(t, http.MethodGet, s.at("/clusters"), nil)).text, "tenant/prod")
	assert.Equal(t, http.StatusOK, send(t, client, request(t, http.MethodGet, s.at(web.PathHealth), nil)).StatusCode)
}
