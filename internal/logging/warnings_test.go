package logging

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/gorizond/capi-vip-allocator/internal/options"
)

func TestWarnings(t *testing.T) {
	var log bytes.Buffer
	w := NewWarnings(New(&log, slog.LevelInfo, options.LogJSON))
	w.HandleWarningHeader(299, "agent", "cluster.x-k8s.io/v1beta1 Cluster is deprecated")
	w.HandleWarningHeader(299, "agent", "cluster.x-k8s.io/v1beta1 Cluster is deprecated")
	w.HandleWarningHeader(199, "agent", "other code")
	w.HandleWarningHeader(299, "agent", "")
	assert.Equal(t, 1, strings.Count(log.String(), "\n"))
	assert.Contains(t, log.String(), "v1beta1 Cluster is deprecated")
	for i := range 3 {
		w.HandleWarningHeader(299, "agent", fmt.Sprintf("the value of variable password is secret-%d", i))
	}
	assert.Equal(t, 2, strings.Count(log.String(), "\n"))
	assert.NotContains(t, log.String(), "secret")
	for i := range 2 * maxWarnings {
		w.HandleWarningHeader(299, "agent", fmt.Sprintf("a.io/v%d Kind is deprecated", i))
	}
	assert.Len(t, w.seen, maxWarnings, "a server that never repeats itself must not fill the memory")
}
