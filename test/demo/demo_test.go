package main

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gorizond/capi-vip-allocator/test/env/harness"
)

func cluster(name, host, ingress string, finalizers ...any) *harness.Cluster {
	object := map[string]any{
		"apiVersion": "cluster.x-k8s.io/v1beta2",
		"metadata":   map[string]any{"name": name, "finalizers": finalizers},
		"spec":       map[string]any{},
		"status": map[string]any{"conditions": []any{
			map[string]any{"type": "ControlPlaneVIPReady", "status": "True", "reason": "IPAddressAssigned"},
			map[string]any{"type": "IngressVIPReady", "status": "False", "reason": "PoolNotFound"},
		}},
	}
	c := &harness.Cluster{Unstructured: &unstructured.Unstructured{Object: object}}
	if host != "" {
		object["spec"] = map[string]any{"controlPlaneEndpoint": map[string]any{"host": host, "port": int64(6443)}}
	}
	if ingress != "" {
		c.SetAnnotations(map[string]string{"vip.capi.gorizond.io/ingress": ingress})
	}
	return c
}

func TestRow(t *testing.T) {
	begin := time.Now()
	assert.Equal(t, []string{"a", "-", "-", "", ""}, row("a", nil, track{}))
	assert.Equal(t, []string{"a", "-", "-", "...", "IPAddressAssigned, not ready: PoolNotFound"},
		row("a", cluster("a", "", ""), track{created: begin}))
	assert.Equal(t, []string{"a", "10.0.0.1:6443", "10.0.0.2", "120", "IPAddressAssigned, not ready: PoolNotFound"},
		row("a", cluster("a", "10.0.0.1", "10.0.0.2"), track{
			created: begin, served: begin.Add(120 * time.Millisecond),
		}))
}

func TestTrackerFollowsTheLifeOfACluster(t *testing.T) {
	tracker := &tracker{tracks: map[string]*track{}}
	inUse := "cluster.cluster.x-k8s.io"
	states := []*harness.Cluster{
		cluster("a", "", "", inUse),
		cluster("a", "10.0.0.1", "10.0.0.2", inUse),
		cluster("a", "10.0.0.1", "", inUse),
		cluster("a", "10.0.0.1", "10.0.0.2", inUse),
	}
	for _, state := range states {
		tracker.changed(nil, state)
	}
	known := tracker.of("a")
	assert.False(t, known.created.After(known.served) || known.served.After(known.lost) ||
		known.lost.After(known.restored), "%+v", known)
	assert.False(t, known.restored.IsZero())
	assert.Zero(t, known.finished)
}

func TestTableIsDrawnInItsPlaceOnATerminalOnly(t *testing.T) {
	rows := [][]string{{"A", "B"}, {"long", "x"}}
	for terminal, expected := range map[bool]string{
		false: "     A     B\n     long  x\n     A     B\n     long  x\n",
		true: "\x1b[?7l     A     B\x1b[K\n     long  x\x1b[K\n\x1b[?7h" +
			"\x1b[2A\x1b[?7l     A     B\x1b[K\n     long  x\x1b[K\n\x1b[?7h",
	} {
		t.Run(fmt.Sprint("terminal: ", terminal), func(t *testing.T) {
			var out bytes.Buffer
			s := &screen{out: &out, terminal: terminal}
			s.table(rows)
			s.table(rows)
			assert.Equal(t, expected, out.String())
		})
	}
}

func TestProgressIsPrintedInWholeLines(t *testing.T) {
	var out bytes.Buffer
	progress := (&screen{out: &out}).progress()
	for _, part := range []string{"plane: etcd is", " ready\nplane: ", "more\n"} {
		_, err := progress.Write([]byte(part))
		require.NoError(t, err)
	}
	assert.Equal(t, "     etcd is ready\n     more\n", out.String())
}
