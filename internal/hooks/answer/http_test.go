package answer_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	hooks "sigs.k8s.io/cluster-api/api/runtime/hooks/v1alpha1"

	"github.com/gorizond/capi-vip-allocator/internal/hooks/answer"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/state"
)

func TestRequestsThatAreNone(t *testing.T) {
	tests := map[string]struct {
		method, path string
		body         []byte
		status       int
	}{
		"if the body is no JSON, should refuse it": {
			http.MethodPost, createPath, []byte("{"), http.StatusBadRequest,
		},
		"if the body is empty, should refuse it": {
			http.MethodPost, generatePath, nil, http.StatusBadRequest,
		},
		"if the body is of another type, should refuse it": {
			http.MethodPost, generatePath, []byte(`{"items": 1}`), http.StatusBadRequest,
		},
		"if the body is more than one object, should refuse it": {
			http.MethodPost, generatePath, []byte(`{}{}`), http.StatusBadRequest,
		},
		"if the body is too large, should refuse it": {
			http.MethodPost, validatePath, bytes.Repeat([]byte(" "), 10<<20+1), http.StatusRequestEntityTooLarge,
		},
		"if the method is another, should say so": {
			http.MethodGet, discoveryPath, nil, http.StatusMethodNotAllowed,
		},
		"if there is no such hook, should say so": {
			http.MethodPost, group + "afterclusterupgrade/x", []byte("{}"), http.StatusNotFound,
		},
		"if there is no such handler, should say so": {
			http.MethodPost, group + "generatepatches/x", []byte("{}"), http.StatusNotFound,
		},
		"if the version of the hook is another, should say so": {
			http.MethodPost, "/hooks.runtime.cluster.x-k8s.io/v1/discovery", []byte("{}"), http.StatusNotFound,
		},
		"if the path is the root, should say that there is nothing": {
			http.MethodPost, "/", []byte("{}"), http.StatusNotFound,
		},
	}
	handler := answer.Handler(config(newWorld(t).Store))
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			recorder := httptest.NewRecorder()
			handler.ServeHTTP(recorder, httptest.NewRequest(test.method, test.path, bytes.NewReader(test.body)))
			require.Equal(t, test.status, recorder.Code, recorder.Body.String())
		})
	}
}

// TestComplaintIsShort: an error may quote a large request.
func TestComplaintIsShort(t *testing.T) {
	body := []byte(`{"cluster":{"metadata":{"generation":` + strings.Repeat("9", 1<<20) + `}}}`)
	recorder := ask(t, answer.Handler(config(newWorld(t).Store)), createPath, body)
	require.Equal(t, http.StatusBadRequest, recorder.Code)
	assert.Less(t, recorder.Body.Len(), 1000)
}

func TestPanics(t *testing.T) {
	cfg := config(nil)
	cfg.Store = func() *state.Store { panic("broken") }
	recorder := ask(t, answer.Handler(cfg), createPath, []byte("{}"))
	require.Equal(t, http.StatusInternalServerError, recorder.Code)
	require.NotContains(t, recorder.Body.String(), "broken")
}

// FuzzRequests checks that a hook answers any request, with a success that CAPI can read or an error that says why.
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
	f.Add(1, []byte(`{"cluster":{"metadata":{"annotations":null,"creationTimestamp":"9999-12-31T23:59:59Z"},`+
		`"spec":{"topology":{"class":"bare-metal"}}}}`))
	f.Add(2, []byte(`{"variables":[{"name":"builtin",`+
		`"value":{"cluster":{"metadata":{"annotations":{"vip.capi.gorizond.io/control-plane":"::"}}}}}],`+
		`"items":[{"holderReference":{"kind":"Cluster","fieldPath":"spec.infrastructureRef"},"object":null}]}`))
	w := newWorld(f).add(f, cluster(), pool(f, "vips", names.RoleControlPlane, false))
	handler := answer.Handler(config(w.Store))
	f.Fuzz(func(t *testing.T, which int, body []byte) {
		recorder := ask(t, handler, paths[uint(which)%uint(len(paths))], body)
		if recorder.Code != http.StatusOK {
			assert.Less(t, recorder.Code, http.StatusInternalServerError, recorder.Body.String())
			assert.NotEmpty(t, recorder.Body.String())
			return
		}
		var response hooks.GeneratePatchesResponse
		require.NoError(t, json.Unmarshal(recorder.Body.Bytes(), &response))
		assert.Contains(t, []hooks.ResponseStatus{hooks.ResponseStatusSuccess, hooks.ResponseStatusFailure},
			response.Status)
		for _, item := range response.Items {
			assert.True(t, json.Valid(item.Patch))
		}
	})
}
