package discovery

import (
	"context"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
)

// served answers discovery with kinds by group version; a nil map stands for an API server that does not answer.
type served struct {
	discovery.ServerResourcesInterface

	mu    sync.Mutex
	kinds map[string][]string
}

func (s *served) ServerResourcesForGroupVersion(gv string) (*metav1.APIResourceList, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kinds == nil {
		return nil, apierrors.NewServiceUnavailable("starting")
	}
	kinds, ok := s.kinds[gv]
	if !ok {
		return nil, apierrors.NewNotFound(schema.GroupResource{}, gv)
	}
	list := &metav1.APIResourceList{GroupVersion: gv}
	for _, kind := range kinds {
		list.APIResources = append(list.APIResources, metav1.APIResource{Kind: kind})
	}
	return list, nil
}

func (s *served) set(kinds map[string][]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kinds = kinds
}

var (
	current = map[string][]string{
		"cluster.x-k8s.io/v1beta2":       {"Cluster", "ClusterClass"},
		"cluster.x-k8s.io/v1beta1":       {"Cluster", "ClusterClass"},
		"ipam.cluster.x-k8s.io/v1beta2":  {"IPAddressClaim", "IPAddress"},
		"ipam.cluster.x-k8s.io/v1beta1":  {"IPAddressClaim", "IPAddress"},
		"ipam.cluster.x-k8s.io/v1alpha2": {"InClusterIPPool", "GlobalInClusterIPPool"},
	}
	oldest = map[string][]string{
		"cluster.x-k8s.io/v1beta1":       {"Cluster", "ClusterClass"},
		"ipam.cluster.x-k8s.io/v1beta1":  {"IPAddressClaim", "IPAddress"},
		"ipam.cluster.x-k8s.io/v1alpha2": {"InClusterIPPool", "GlobalInClusterIPPool"},
	}
	withExamplePool = func() map[string][]string {
		kinds := maps.Clone(current)
		kinds["ipam.example.com/v1"] = []string{"ExamplePool"}
		return kinds
	}()
	halfInstalled = map[string][]string{
		"cluster.x-k8s.io/v1beta2":       {"Cluster", "ClusterClass"},
		"ipam.cluster.x-k8s.io/v1beta2":  {"IPAddressClaim"},
		"ipam.cluster.x-k8s.io/v1beta1":  {"IPAddressClaim", "IPAddress"},
		"ipam.cluster.x-k8s.io/v1alpha2": {"InClusterIPPool"},
	}
)

func TestFindAPIs(t *testing.T) {
	for name, test := range map[string]struct {
		kinds   map[string][]string
		want    string
		missing []string
	}{
		"if both versions are served, should use the newer ones": {
			current, "cluster.x-k8s.io/v1beta2, ipam.cluster.x-k8s.io/v1beta2, pools v1alpha2", nil,
		},
		"if only the old version is served, should use that": {
			oldest, "cluster.x-k8s.io/v1beta1, ipam.cluster.x-k8s.io/v1beta1, pools v1alpha2", nil,
		},
		"if a version serves only one of two kinds, should not use it": {
			halfInstalled, "cluster.x-k8s.io/v1beta2, ipam.cluster.x-k8s.io/v1beta1, pools ",
			[]string{"InClusterIPPool and GlobalInClusterIPPool (ipam.cluster.x-k8s.io v1alpha2)"},
		},
		"if nothing is installed, should name everything": {
			map[string][]string{},
			", , pools ",
			[]string{
				"Cluster and ClusterClass (cluster.x-k8s.io v1beta2 or v1beta1)",
				"IPAddressClaim and IPAddress (ipam.cluster.x-k8s.io v1beta2 or v1beta1)",
				"InClusterIPPool and GlobalInClusterIPPool (ipam.cluster.x-k8s.io v1alpha2)",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			api, missing, err := (&Finder{Discovery: &served{kinds: test.kinds}}).Find()
			require.NoError(t, err)
			assert.Equal(t, test.want, api.String())
			assert.Equal(t, test.missing, missing)
		})
	}
	kinds := []schema.GroupVersionKind{
		{Group: "ipam.example.com", Version: "v1", Kind: "ExamplePool"},
		{Group: "ipam.example.com", Version: "v1", Kind: "NotThere"},
	}
	api, missing, err := (&Finder{Discovery: &served{kinds: withExamplePool}, PoolKinds: kinds}).Find()
	require.NoError(t, err)
	assert.Empty(t, missing, "nothing waits for the pools of another provider")
	assert.Equal(t,
		"cluster.x-k8s.io/v1beta2, ipam.cluster.x-k8s.io/v1beta2, pools v1alpha2, ExamplePool ipam.example.com/v1",
		api.String())

	_, _, err = (&Finder{Discovery: &served{}}).Find()
	require.ErrorContains(t, err, "cluster.x-k8s.io/v1beta2",
		"an API server that does not answer is not one without the kinds")
}

func TestAwaitAPIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		server := &served{}
		finder := &Finder{Discovery: server, Logger: slog.New(slog.NewTextHandler(&log, nil))}
		go func() {
			for _, kinds := range []map[string][]string{{}, halfInstalled, current} {
				//nolint:forbidigo // fake time; between two looks, not during one
				time.Sleep(time.Minute + 100*time.Millisecond)
				server.set(kinds)
			}
		}()
		began := time.Now()
		api, err := finder.Await(t.Context(), time.Second)
		require.NoError(t, err)
		assert.Equal(t, "v1beta2", api.IPAM.Version)
		assert.InDelta(t, 3*time.Minute, time.Since(began), float64(2*time.Second))
		assert.Equal(t, 3, strings.Count(log.String(), "waiting for APIs"), "one line for each thing waited for:\n%s",
			log.String())
	})
}

func TestWatchAPIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &served{kinds: oldest}
		finder := &Finder{Discovery: server, Logger: slog.New(slog.DiscardHandler)}
		used, _, err := finder.Find()
		require.NoError(t, err)
		ended := make(chan struct{})
		go func() {
			finder.Watch(t.Context(), used, time.Second)
			close(ended)
		}()
		// Neither the passing of time nor an unreachable API server ends the watch.
		for _, kinds := range []map[string][]string{oldest, nil, oldest} {
			server.set(kinds)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			select {
			case <-ended:
				require.Fail(t, "nothing has changed")
			case <-ctx.Done():
			}
			cancel()
		}
		server.set(current)
		<-ended
	})
}
