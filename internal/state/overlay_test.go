package state

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
)

func version(rv string) *capi.Cluster {
	return &capi.Cluster{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "c", ResourceVersion: rv}}
}

// step is one thing that happens to a cache and its overlay.
type step func(t *testing.T, store cache.Store, o *overlay[*capi.Cluster], now *time.Time)

func cached(rv string) step {
	return func(t *testing.T, store cache.Store, o *overlay[*capi.Cluster], _ *time.Time) {
		require.NoError(t, store.Update(version(rv)))
		o.observe(version(rv), false)
	}
}

func dropped(rv string) step {
	return func(t *testing.T, store cache.Store, o *overlay[*capi.Cluster], _ *time.Time) {
		require.NoError(t, store.Delete(version(rv)))
		o.observe(version(rv), true)
	}
}

func wrote(rv string) step {
	return func(_ *testing.T, _ cache.Store, o *overlay[*capi.Cluster], now *time.Time) {
		o.record(version(rv), false, *now)
	}
}

func created(rv string) step {
	return func(_ *testing.T, _ cache.Store, o *overlay[*capi.Cluster], now *time.Time) {
		o.record(version(rv), true, *now)
	}
}

// lost is a deletion that the overlay has not been told of yet.
func lost(rv string) step {
	return func(t *testing.T, store cache.Store, _ *overlay[*capi.Cluster], _ *time.Time) {
		require.NoError(t, store.Delete(version(rv)))
	}
}

// wroteAnother is the answer to a write to another object.
func wroteAnother() step {
	return func(_ *testing.T, _ cache.Store, o *overlay[*capi.Cluster], now *time.Time) {
		another := version("1000")
		another.Name = "another"
		o.record(another, false, *now)
	}
}

func passed(d time.Duration) step {
	return func(_ *testing.T, _ cache.Store, _ *overlay[*capi.Cluster], now *time.Time) { *now = now.Add(d) }
}

func TestOverlay(t *testing.T) {
	for name, test := range map[string]struct {
		steps []step
		// want is the version that a decision gets; empty for none.
		want string
		// held is how many answers are still laid over the cache.
		held int
	}{
		"if nothing is known, should give nothing":             {nil, "", 0},
		"if only the cache knows the object, should give that": {[]step{cached("5")}, "5", 0},
		"if we wrote and the cache lags, should give what we wrote": {
			[]step{cached("5"), wrote("7")}, "7", 1,
		},
		"if we created and the cache lags, should give what we wrote": {[]step{created("7")}, "7", 1},
		"if the cache caught up, should give the cache": {
			[]step{cached("5"), wrote("7"), cached("7")}, "7", 0,
		},
		"if the cache saw a state before ours, should still give ours": {
			[]step{cached("5"), wrote("7"), cached("6")}, "7", 1,
		},
		"if the cache saw a later change of others, should give that": {
			[]step{cached("5"), wrote("7"), cached("9")}, "9", 0,
		},
		"if the cache was faster than the answer, should not keep the answer": {
			[]step{cached("9"), wrote("7")}, "9", 0,
		},
		"if a shorter number is a lower version, should compare numbers not letters": {
			[]step{cached("99"), wrote("100")}, "100", 1,
		},
		"if the object is deleted after our write, should give nothing": {
			[]step{cached("5"), wrote("7"), dropped("8")}, "", 0,
		},
		"if it came and went before the answer, should believe the answer no longer than a while": {
			[]step{created("5"), passed(ghost + time.Second)}, "", 0,
		},
		"if the answer is young, should believe it though the cache has nothing": {
			[]step{created("5"), passed(ghost - time.Second)}, "5", 1,
		},
		"if the object was gone before the answer to a write came, should give nothing": {
			[]step{cached("5"), dropped("6"), wrote("7")}, "", 0,
		},
		"if the cache lost the object after our write, should give nothing": {
			[]step{cached("5"), wrote("7"), lost("8")}, "", 0,
		},
		"if we wrote to what we had just created, should give that": {
			[]step{created("5"), wrote("7")}, "7", 1,
		},
		"if the cache knew what we created and lost it, should give nothing": {
			[]step{created("5"), cached("5"), wrote("7"), lost("8")}, "", 0,
		},
		"if versions are no numbers, should believe the cache": {
			[]step{cached("abc"), wrote("7")}, "abc", 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := cache.NewStore(cache.MetaNamespaceKeyFunc)
			o := newOverlay[*capi.Cluster](store)
			now := time.Unix(1e9, 0)
			for _, step := range test.steps {
				step(t, store, o, &now)
			}
			got, ok := o.get("ns/c", now)
			assert.Equal(t, test.want != "", ok)
			if ok {
				assert.Equal(t, test.want, got.ResourceVersion)
			}
			assert.Len(t, o.all(), test.held)
		})
	}
}

// Nobody ever asks again for an object that came and went before the answer to its creation.
func TestOverlayForgetsWhatNobodyAsksFor(t *testing.T) {
	o := newOverlay[*capi.Cluster](cache.NewStore(cache.MetaNamespaceKeyFunc))
	now := time.Unix(1e9, 0)
	for _, step := range []step{created("5"), passed(ghost + time.Second), wroteAnother()} {
		step(t, o.cache, o, &now)
	}
	assert.Empty(t, o.written)
}
