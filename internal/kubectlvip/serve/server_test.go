package serve

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/web"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
	"github.com/gorizond/capi-vip-allocator/internal/vip/viptest"
)

// still is a source that never changes.
type still struct {
	manifest []byte
	problem  error
}

func (s *still) Atlas() (*view.Atlas, error) {
	return view.NewAtlas(&view.Facts{
		Now: viptest.Now, Operator: view.Operator{State: view.OperatorRunning},
		Snapshots: []vip.Snapshot{viptest.Snapshot(viptest.Served())},
	}), s.problem
}

func (s *still) Plan(manifest []byte) ([]view.ClusterPlan, error) {
	s.manifest = manifest
	if len(manifest) == 0 {
		return nil, errors.New("there is no Cluster in it")
	}
	return []view.ClusterPlan{
		{Cluster: view.Cluster{Namespace: "team", Name: "berlin"}, Summary: "It would get its VIPs."},
	}, nil
}

// started serves a source until the test ends.
func started(t *testing.T) (*Server, *still) {
	t.Helper()
	source := &still{}
	return serving(t, Listen, source), source
}

// serving serves a source through the given listen function until the test ends.
func serving(t *testing.T, listen func(context.Context, string, Source) (*Server, error), source Source) *Server {
	t.Helper()
	s, err := listen(t.Context(), "127.0.0.1:0", source)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return s
}

// browser returns a client with cookies that has opened the address with the token.
func browser(t *testing.T, s *Server) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	client := &http.Client{Jar: jar}
	assert.Equal(t, http.StatusOK, send(t, client, request(t, http.MethodGet, s.URL(), nil)).StatusCode)
	return client
}

func request(t *testing.T, method, address string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, body)
	require.NoError(t, err)
	return r
}

// answer is a response with its body read.
type answer struct {
	*http.Response
	text string
}

func send(t *testing.T, client *http.Client, r *http.Request) answer {
	t.Helper()
	response, err := client.Do(r)
	require.NoError(t, err)
	text, err := io.ReadAll(response.Body)
	require.NoError(t, errors.Join(err, response.Body.Close()))
	return answer{response, string(text)}
}

func (s *Server) at(path string) string { return "http://" + s.listener.Addr().String() + path }

func TestPages(t *testing.T) {
	s, _ := started(t)
	client := browser(t, s)
	for path, want := range map[string]struct {
		status int
		says   string
	}{
		"/":                                     {http.StatusOK, "<h1>Pools</h1>"},
		"/clusters":                             {http.StatusOK, "tenant/prod"},
		"/cluster?namespace=tenant&name=prod":   {http.StatusOK, "The Cluster has its VIPs."},
		"/cluster?namespace=tenant&name=nobody": {http.StatusNotFound, "no such thing"},
		"/pool?kind=x&name=y":                   {http.StatusNotFound, "no such thing"},
		"/overlaps":                             {http.StatusOK, "No two pools"},
		"/plan":                                 {http.StatusOK, "<textarea"},
		"/static/app.js":                        {http.StatusOK, "EventSource"},
		"/static/../server.go":                  {http.StatusNotFound, "no such page"},
		"/metrics":                              {http.StatusNotFound, "no such page"},
	} {
		answer := send(t, client, request(t, http.MethodGet, s.at(path), nil))
		assert.Equal(t, want.status, answer.StatusCode, path)
		assert.Contains(t, answer.text, want.says, path)
		assert.Contains(t, answer.Header.Get("Content-Security-Policy"), "default-src 'none'")
		assert.NotContains(t, answer.Header.Get("Content-Security-Policy"), "unsafe")
		assert.Equal(t, "no-referrer", answer.Header.Get("Referrer-Policy"))
		assert.Equal(t, "no-store", answer.Header.Get("Cache-Control"))
	}
}

// TestGuard: requests that do not come from the printed address learn nothing.
func TestGuard(t *testing.T) {
	s, _ := started(t)
	client := browser(t, s)
	bound, err := netip.ParseAddrPort(s.listener.Addr().String())
	require.NoError(t, err)
	own := newGuard(bound.Port(), nil)
	own.token = s.token
	for name, test := range map[string]struct {
		client *http.Client
		change func(*http.Request)
		path   string
		status int
	}{
		"if there is no cookie, should refuse": {http.DefaultClient, nil, "/clusters", http.StatusForbidden},
		"if the token is wrong, should refuse": {http.DefaultClient, nil, "/?token=guess", http.StatusForbidden},
		"if the token is empty, should refuse": {http.DefaultClient, nil, "/?token=", http.StatusForbidden},
		"if the token is for another path, should refuse": {
			http.DefaultClient, nil, "/clusters?token=" + s.token, http.StatusForbidden,
		},
		"if the cookie holds the token, should refuse": {
			http.DefaultClient, cookie(own.cookie, s.token), "/", http.StatusForbidden,
		},
		"if a style is asked without cookie, should refuse": {
			http.DefaultClient, nil, "/static/app.css", http.StatusForbidden,
		},
		"if a name of others points here, should refuse": {
			client, host("evil.example.com"), "/", http.StatusMisdirectedRequest,
		},
		"if a name looks like ours, should refuse": {
			client, host("127.0.0.1.example.com"), "/", http.StatusMisdirectedRequest,
		},
		"if the port is forwarded, should answer": {
			http.DefaultClient, both(host("localhost:9999"), cookie(own.cookie, own.value())), "/", http.StatusOK,
		},
		"if it is asked to delete, should refuse": {
			client, method(http.MethodDelete), "/", http.StatusMethodNotAllowed,
		},
		"if it is asked to post elsewhere, should refuse": {
			client, method(http.MethodPost), "/clusters", http.StatusMethodNotAllowed,
		},
		"if another site posts a manifest, should refuse": {
			client, from("https://evil.example.com"), "/plan", http.StatusForbidden,
		},
		"if another port of ours does so, should refuse too": {
			client, from("http://127.0.0.1:1"), "/plan", http.StatusForbidden,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := request(t, http.MethodGet, s.at(test.path), nil)
			if test.change != nil {
				test.change(r)
			}
			answer := send(t, test.client, r)
			assert.Equal(t, test.status, answer.StatusCode)
			if test.status != http.StatusOK {
				assert.NotContains(t, answer.text, viptest.ClusterName)
				assert.Empty(t, answer.Cookies())
			}
		})
	}
}

func cookie(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.AddCookie(&http.Cookie{Name: name, Value: value}) }
}

func both(a, b func(*http.Request)) func(*http.Request) { return func(r *http.Request) { a(r); b(r) } }

func host(name string) func(*http.Request)   { return func(r *http.Request) { r.Host = name } }
func method(name string) func(*http.Request) { return func(r *http.Request) { r.Method = name } }
func from(origin string) func(*http.Request) {
	return func(r *http.Request) {
		r.Method = http.MethodPost
		r.Header.Set("Origin", origin)
	}
}

// TestAdmission: the cookie is for this server alone, and no script or other site can use it.
func TestAdmission(t *testing.T) {
	s, _ := started(t)
	answer := send(t, http.DefaultClient, request(t, http.MethodGet, s.URL(), nil))
	require.Len(t, answer.Cookies(), 1)
	given := answer.Cookies()[0]
	assert.True(t, given.HttpOnly)
	assert.Equal(t, http.SameSiteStrictMode, given.SameSite)
	assert.NotContains(t, given.Value, s.token)
	assert.Equal(t, "0; url=./", answer.Header.Get("Refresh"), "the token does not stay in the address")
}

func TestListen(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", ":0", "192.0.2.1:0", "example.com:0", "[::]:0"} {
		_, err := Listen(t.Context(), address, &still{})
		require.ErrorIs(t, err, ErrNotLoopback, address)
	}
	_, err := Listen(t.Context(), "127.0.0.1", &still{})
	require.ErrorContains(t, err, "missing port")
	s, err := Listen(t.Context(), "localhost:0", &still{})
	require.NoError(t, err)
	require.NoError(t, s.Close())
}

// form returns the request that the form for plans sends.
func form(t *testing.T, address string, fields, files map[string]string) *http.Request {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, value := range fields {
		require.NoError(t, form.WriteField(name, value))
	}
	for name, value := range files {
		part, err := form.CreateFormFile(name, "cluster.yaml")
		require.NoError(t, err)
		_, err = io.WriteString(part, value)
		require.NoError(t, err)
	}
	require.NoError(t, form.Close())
	r := request(t, http.MethodPost, address, &body)
	r.Header.Set("Content-Type", form.FormDataContentType())
	return r
}

func TestPlan(t *testing.T) {
	s, source := started(t)
	client := browser(t, s)
	post := func(fields, files map[string]string) answer {
		r := form(t, s.at(web.PathPlan), fields, files)
		r.Header.Set("Origin", "http://"+s.listener.Addr().String())
		return send(t, client, r)
	}
	assert.Contains(t, post(map[string]string{"manifest": "kind: Cluster"}, nil).text, "It would get its VIPs.")
	assert.Equal(t, "kind: Cluster", string(source.manifest))
	assert.Contains(t, post(map[string]string{"manifest": "typed"}, map[string]string{"file": "dropped"}).text,
		"It would get its VIPs.")
	assert.Equal(t, "dropped", string(source.manifest), "a file comes first")
	assert.Contains(t, post(map[string]string{"manifest": "typed"}, map[string]string{"file": ""}).text,
		"It would get its VIPs.")
	assert.Equal(t, "typed", string(source.manifest), "browsers send an empty file where none was chosen")
	assert.Contains(t, post(nil, nil).text, "there is no Cluster in it")
	assert.Contains(t, post(map[string]string{"manifest": strings.Repeat("x", maxManifest)}, nil).text,
		"larger than 1024 KiB")
}

// TestEvents: a browser learns of changes, and the server can stop while a browser listens.
func TestEvents(t *testing.T) {
	s, _ := started(t)
	client := browser(t, s)
	response, err := client.Do(request(t, http.MethodGet, s.at(web.PathEvents), nil))
	require.NoError(t, err)
	t.Cleanup(func() { _ = response.Body.Close() })
	assert.Equal(t, "text/event-stream", response.Header.Get("Content-Type"))
	lines := bufio.NewScanner(response.Body)
	require.True(t, lines.Scan())
	assert.Equal(t, ": here", lines.Text())
	s.Changed()
	for lines.Scan() {
		if lines.Text() == "event: change" {
			return
		}
	}
	t.Fatal("the change was not told")
}
