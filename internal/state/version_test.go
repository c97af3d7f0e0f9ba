package state

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
)

// The version changes with each change, even one of our own that the caches do not show yet; until they do, Version
// reports false.
func TestVersion(t *testing.T) {
	informers := emptyInformers(capi.API{})
	store, err := NewStore(informers)
	require.NoError(t, err)
	now := time.Unix(1e9, 0)
	last := uint64(1 << 63)
	requireNew := func(complete bool) {
		t.Helper()
		got, all := store.Version(now)
		require.NotEqual(t, last, got)
		require.Equal(t, complete, all)
		again, _ := store.Version(now)
		require.Equal(t, got, again)
		last = got
	}
	requireNew(true)
	store.Changed()
	requireNew(true)
	require.NoError(t, informers.Clusters.GetIndexer().Add(version("1")))
	store.WroteCluster(version("2"), now)
	requireNew(false)
	store.WroteClaim(&capi.Claim{}, true, now)
	requireNew(false)
	store.ObserveCluster(version("2"), false)
	store.ObserveClaim(&capi.Claim{}, false)
	_, complete := store.Version(now)
	assert.True(t, complete)
	store.WroteClaim(&capi.Claim{}, true, now)
	_, complete = store.Version(now.Add(2 * ghost))
	assert.True(t, complete, "an answer that is not believed any more hides nothing")
}
