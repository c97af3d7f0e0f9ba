package extension_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	hooks "sigs.k8s.io/cluster-api/api/runtime/hooks/v1alpha1"

	"github.com/gorizond/capi-vip-allocator/internal/extension"
	"github.com/gorizond/capi-vip-allocator/internal/kube"
	"github.com/gorizond/capi-vip-allocator/internal/names"
)

func TestRequestsThatAreNone(t *testing.T) {
	tests := map[string]struct {
		method, path string
		body         []byte
		status       int
	}{
		"if the body is no JSON, should refuse it":                  {http.MethodPost, createPath, []byte("{"), http.StatusBadRequest},
		"if the body is empty, should refuse it":                    {http.MethodPost, generatePath, nil, http.StatusBadRequest},
		"if the body is of another type, should refuse it":          {http.MethodPost, generatePath, []byte(`{"items": 1}`), http.StatusBadRequest},
		"if the body is more than one object, should refuse it":     {http.MethodPost, generatePath, []byte(`{}{}`), http.StatusBadRequest},
		"if the body is too large, should refuse it":                {http.MethodPost, validatePath, bytes.Repeat([]byte(" "), 10<<20+1), http.StatusRequestEntityTooLarge},
		"if the method is another, should say so":                   {http.MethodGet, discoveryPath, nil, http.StatusMethodNotAllowed},
		"if there is no such hook, should say so":                   {http.MethodPost, group + "afterclusterupgrade/x", []byte("{}"), http.StatusNotFound},
		"if there is no such handler, should say so":                {http.MethodPost, group + "generatepatches/x", []byte("{}"), http.StatusNotFound},
		"if the version of the hook is another, should say so":      {http.MethodPost, "/hooks.runtime.cluster.x-k8s.io/v1/discovery", []byte("{}"), http.StatusNotFound},
		"if the path is the root, should say that there is nothing": {http.MethodPost, "/", []byte("{}"), http.StatusNotFound},
	}
	handler := extension.Handler(config(newWorld(t).Store))
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			recorder := httptest.NewRecorder()
			handler.ServeHTTP(recorder, httptest.NewRequest(test.method, test.path, bytes.NewReader(test.body)))
			require.Equal(t, test.status, recorder.Code, recorder.Body.String())
		})
	}
}

// What a client says that it will send, and what it sends slowly, takes nothing from others: bytes count as they come.
func TestRequestsTogether(t *testing.T) {
	handler := extension.Handler(config(newWorld(t).Store))
	send := func(ctx context.Context, body io.Reader, length int64) *httptest.ResponseRecorder {
		request := httptest.NewRequestWithContext(ctx, http.MethodPost, generatePath, body)
		request.ContentLength = length
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request)
		return recorder
	}
	small := func() int { return send(t.Context(), strings.NewReader("{}"), 2).Code }
	hold := func(clients int, length int64, sent []byte) (end func()) {
		var slow sync.WaitGroup
		var ends []*io.PipeWriter
		for range clients {
			body, end := io.Pipe()
			ends = append(ends, end)
			slow.Go(func() { send(t.Context(), body, length) })
			_, err := end.Write(sent) // it is being read
			require.NoError(t, err)
		}
		return func() {
			for _, end := range ends {
				require.NoError(t, end.Close())
			}
			slow.Wait()
		}
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	full := strings.Repeat(" ", 8<<20)

	silent := hold(100, 10<<20, []byte("{"))
	assert.Equal(t, http.StatusOK, small(), "beside a hundred that say they will send 10 MiB and send one byte")
	assert.Equal(t, http.StatusOK, send(t.Context(), strings.NewReader(full+"{}"), -1).Code, "and a large one")
	silent()

	large := hold(4, -1, []byte(full+"{"))
	refused := send(gone, strings.NewReader(full+"{}"), -1)
	assert.Equal(t, http.StatusServiceUnavailable, refused.Code, "a large one, when there is no room")
	assert.Contains(t, refused.Body.String(), "try again")
	assert.Equal(t, http.StatusOK, small(), "a small one needs none")
	large()
	assert.Equal(t, http.StatusOK, send(t.Context(), strings.NewReader(full+"{}"), -1).Code, "a large one, when there is room again")
	assert.Equal(t, http.StatusRequestEntityTooLarge, send(t.Context(), strings.NewReader("{}"), 11<<20).Code)
}

// A body that does not arrive is cut off long before Cluster API gives up, and its neighbours do not wait for it.
func TestSlowBodiesAreCutOff(t *testing.T) {
	server := httptest.NewTLSServer(extension.Handler(config(newWorld(t).Store)))
	defer server.Close()
	connection, err := tls.Dial("tcp", server.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	defer func() { _ = connection.Close() }()
	_, err = fmt.Fprintf(connection, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n{", generatePath, 10<<20)
	require.NoError(t, err)
	response, err := server.Client().Post(server.URL+generatePath, "application/json", strings.NewReader("{}"))
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.NoError(t, connection.SetReadDeadline(time.Now().Add(5*time.Second)))
	answer, err := http.ReadResponse(bufio.NewReader(connection), nil)
	require.NoError(t, err, "it is answered before Cluster API's own patience ends")
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusBadRequest, answer.StatusCode)
}

// TestComplaintIsShort: an error may quote the request, which may be large.
func TestComplaintIsShort(t *testing.T) {
	body := []byte(`{"cluster":{"metadata":{"generation":` + strings.Repeat("9", 1<<20) + `}}}`)
	recorder := ask(t, extension.Handler(config(newWorld(t).Store)), createPath, body)
	require.Equal(t, http.StatusBadRequest, recorder.Code)
	assert.Less(t, recorder.Body.Len(), 1000)
}

func TestPanics(t *testing.T) {
	cfg := config(nil)
	cfg.Store = func() *kube.Store { panic("broken") }
	recorder := ask(t, extension.Handler(cfg), createPath, []byte("{}"))
	require.Equal(t, http.StatusInternalServerError, recorder.Code)
	require.NotContains(t, recorder.Body.String(), "broken")
}

// FuzzRequests: whatever is sent to a hook, it answers, with a success that CAPI can read or an error that says why.
func FuzzRequests(f *testing.F) {
	paths := []string{discoveryPath, createPath, generatePath, validatePath}
	for _, request := range requests(f) {
		f.Add(2, request)
		f.Add(3, request)
	}
	create, err := json.Marshal(map[string]any{"cluster": cluster()})
	require.NoError(f, err)
	f.Add(1, create)
	f.Add(0, []byte(`{}`))
	f.Add(1, []byte(`{"cluster":{"metadata":{"annotations":null,"creationTimestamp":"9999-12-31T23:59:59Z"},"spec":{"topology":{"class":"bare-metal"}}}}`))
	f.Add(2, []byte(`{"variables":[{"name":"builtin","value":{"cluster":{"metadata":{"annotations":{"vip.capi.gorizond.io/control-plane":"::"}}}}}],"items":[{"holderReference":{"kind":"Cluster","fieldPath":"spec.infrastructureRef"},"object":null}]}`))
	w := newWorld(f).add(f, cluster(), pool(f, "vips", names.RoleControlPlane, false))
	handler := extension.Handler(config(w.Store))
	f.Fuzz(func(t *testing.T, which int, body []byte) {
		recorder := ask(t, handler, paths[uint(which)%uint(len(paths))], body)
		if recorder.Code != http.StatusOK {
			assert.Less(t, recorder.Code, http.StatusInternalServerError, recorder.Body.String())
			assert.NotEmpty(t, recorder.Body.String())
			return
		}
		var response hooks.GeneratePatchesResponse
		require.NoError(t, json.Unmarshal(recorder.Body.Bytes(), &response))
		assert.Contains(t, []hooks.ResponseStatus{hooks.ResponseStatusSuccess, hooks.ResponseStatusFailure}, response.Status)
		for _, item := range response.Items {
			assert.True(t, json.Valid(item.Patch))
		}
	})
}
