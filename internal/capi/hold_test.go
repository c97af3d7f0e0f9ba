package capi_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// The hold is added to whatever exists of spec.topology.controlPlane, and removed with all that is empty without it.
func TestHold(t *testing.T) {
	own, own2, users := `"cluster.x-k8s.io/paused":"vip.capi.gorizond.io/4"`,
		`"cluster.x-k8s.io/paused":"vip.capi.gorizond.io/5"`, `"cluster.x-k8s.io/paused":""`
	hold := &vip.HoldControlPlane{Gate: vip.Gate{Generation: 4}}
	for name, tt := range map[string]struct{ before, held, after string }{
		"if there is nothing": {``, `{"metadata":{"annotations":{` + own + `}}}`, ``},
		"if there are replicas": {
			`{"replicas":3}`, `{"replicas":3,"metadata":{"annotations":{` + own + `}}}`, `{"replicas":3}`,
		},
		"if there is metadata": {
			`{"metadata":{"labels":{"a":"b"}}}`, `{"metadata":{"labels":{"a":"b"},"annotations":{` + own + `}}}`,
			`{"metadata":{"labels":{"a":"b"}}}`,
		},
		"if there are annotations": {
			`{"metadata":{"annotations":{"a":"b"}}}`, `{"metadata":{"annotations":{"a":"b",` + own + `}}}`,
			`{"metadata":{"annotations":{"a":"b"}}}`,
		},
		"if there is metadata beside others": {
			`{"replicas":3,"metadata":{"annotations":{"a":"b"}}}`, `{"replicas":3,"metadata":{"annotations":{"a":"b",` +
				own + `}}}`, `{"replicas":3,"metadata":{"annotations":{"a":"b"}}}`,
		},
		"if it is held again": {
			`{"metadata":{"annotations":{` + own2 + `}}}`, `{"metadata":{"annotations":{` + own + `}}}`, ``,
		},
	} {
		t.Run(name, func(t *testing.T) {
			live := topologyWith(t, tt.before)
			patch, err := viewOf(t, live).PatchResults(capi.Results{Hold: hold})
			require.NoError(t, err)
			held, err := applied(t, &live, patch)
			require.NoError(t, err)
			requireControlPlane(t, tt.held, *held)
			snapshot := viewOf(t, *held).Snapshot()
			assert.Equal(t, vip.PauseOwn, snapshot.Pause)
			assert.Equal(t, vip.Gate{Generation: 4}, snapshot.Gate)

			patch, err = viewOf(t, *held).PatchResults(capi.Results{LetGo: &vip.ReleaseControlPlane{}})
			require.NoError(t, err)
			after, err := applied(t, held, patch)
			require.NoError(t, err)
			requireControlPlane(t, tt.after, *after)
			snapshot = viewOf(t, *after).Snapshot()
			assert.Equal(t, vip.PauseNone, snapshot.Pause)
			assert.Equal(t, vip.Gate{}, snapshot.Gate)
		})
	}
	t.Run("if a user paused it, should know that it is not ours", func(t *testing.T) {
		assert.Equal(t, vip.PauseForeign,
			viewOf(t, topologyWith(t, `{"metadata":{"annotations":{`+users+`}}}`)).Snapshot().Pause)
	})
	t.Run("if it is not an object, should refuse the Cluster", func(t *testing.T) {
		require.Error(t,
			json.Unmarshal([]byte(`{"spec":{"topology":{"controlPlane":{"metadata":[]}}}}`), &capi.Cluster{}))
	})
	t.Run("if the endpoint is written while it is held, should go on remembering", func(t *testing.T) {
		live := topologyWith(t, `{"metadata":{"annotations":{`+own+`}}}`)
		live["metadata"].(map[string]any)["annotations"].(map[string]any)[names.TopologyGate] = "4"
		patch, err := viewOf(t, live).PatchResults(capi.Results{Endpoint: setEndpoint})
		require.NoError(t, err)
		written, err := applied(t, &live, patch)
		require.NoError(t, err)
		assert.Equal(t, vip.Gate{Generation: 4}, viewOf(t, *written).Snapshot().Gate)
	})
}

func topologyWith(t *testing.T, controlPlane string) map[string]any {
	t.Helper()
	live := map[string]any{
		"metadata": map[string]any{"uid": "u", "generation": 3, "annotations": map[string]any{"x": "y"}},
		"spec":     map[string]any{"topology": map[string]any{"class": "c"}},
	}
	if controlPlane != "" {
		var decoded any
		require.NoError(t, json.Unmarshal([]byte(controlPlane), &decoded))
		live["spec"].(map[string]any)["topology"].(map[string]any)["controlPlane"] = decoded
	}
	return live
}

func viewOf(t *testing.T, live map[string]any) *capi.Cluster {
	t.Helper()
	return decode[capi.Cluster](t, live)
}

func requireControlPlane(t *testing.T, want string, live map[string]any) {
	t.Helper()
	got, exists := live["spec"].(map[string]any)["topology"].(map[string]any)["controlPlane"]
	if want == "" {
		require.False(t, exists)
		return
	}
	text, err := json.Marshal(got)
	require.NoError(t, err)
	require.JSONEq(t, want, string(text))
}
