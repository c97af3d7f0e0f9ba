package hooks

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	discoveryfake "k8s.io/client-go/discovery/fake"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/gorizond/capi-vip-allocator/internal/certificate"
	"github.com/gorizond/capi-vip-allocator/internal/certificate/certificatetest"
	"github.com/gorizond/capi-vip-allocator/internal/discovery"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/state"
)

func TestPlace(t *testing.T) {
	hosts, err := place{namespace: "vip"}.hosts()
	require.NoError(t, err)
	require.Equal(t, "capi-vip-allocator-runtime-extension.vip.svc", hosts[0],
		"what Cluster API asks the certificate for")
	hosts, err = place{url: "https://[2001:db8::1]:9443/x", namespace: "vip"}.hosts()
	require.NoError(t, err)
	require.Equal(t, []string{"2001:db8::1"}, hosts)
}

func TestIsRegistered(t *testing.T) {
	owner := metav1.OwnerReference{Kind: "ClusterRole", Name: "r", UID: "u"}
	where := place{namespace: "vip"}
	wanted := where.clientConfig([]byte("bundle"))
	current := func(change func(*unstructured.Unstructured)) *unstructured.Unstructured {
		config := &unstructured.Unstructured{
			Object: map[string]any{"spec": map[string]any{"clientConfig": where.clientConfig([]byte("bundle"))}},
		}
		config.SetOwnerReferences([]metav1.OwnerReference{owner})
		change(config)
		return config
	}
	set := func(value any, path ...string) func(*unstructured.Unstructured) {
		return func(u *unstructured.Unstructured) {
			require.NoError(t,
				unstructured.SetNestedField(u.Object, value, append([]string{"spec", "clientConfig"}, path...)...))
		}
	}
	tests := map[string]struct {
		change func(*unstructured.Unstructured)
		want   bool
	}{
		"if it is as it was written, should leave it": {func(*unstructured.Unstructured) {}, true},
		"if the bundle is another, should write it":   {set("other", "caBundle"), false},
		"if the Service is another, should write it":  {set("elsewhere", "service", "namespace"), false},
		"if someone added a URL, should write it":     {set("https://x", "url"), false},
		"if nobody owns it, should write it": {
			func(u *unstructured.Unstructured) { u.SetOwnerReferences(nil) }, false,
		},
		"if its owner was made anew since, should write it": {
			func(u *unstructured.Unstructured) { u.SetOwnerReferences([]metav1.OwnerReference{{UID: "old"}}) }, false,
		},
		"if the namespaces are selected by a user, should leave": {func(u *unstructured.Unstructured) {
			_ = unstructured.SetNestedField(u.Object, "x", "spec", "namespaceSelector")
		}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, test.want, isRegistered(current(test.change), wanted, owner))
		})
	}
	require.True(t, isRegistered(current(set("theirs", "caBundle")), where.clientConfig(nil), owner),
		"a bundle that we do not know is not ours to change")
}

// Cluster API does not start while no replica answers for an ExtensionConfig.
func TestRegisterWaitsForCaches(t *testing.T) {
	dir := t.TempDir()
	serving := certificate.NewKeeper(certificate.Directory(dir), "test", slog.New(slog.DiscardHandler))
	certificatetest.Write(t, dir, certificatetest.Chain(t))
	require.NoError(t, serving.Refresh(t.Context()))
	role := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
		"metadata": map[string]any{"name": "owner", "uid": "uid-of-owner"},
	}}
	config := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "runtime.cluster.x-k8s.io/v1beta2", "kind": "ExtensionConfig",
		"metadata": map[string]any{"name": names.ExtensionName},
	}}
	registering := func(t *testing.T, filled bool, objects ...runtime.Object) []string {
		t.Helper()
		served := &discoveryfake.FakeDiscovery{Fake: &clienttesting.Fake{Resources: []*metav1.APIResourceList{
			{GroupVersion: "runtime.cluster.x-k8s.io/v1beta2", APIResources: []metav1.APIResource{
				{Name: "extensionconfigs", Kind: "ExtensionConfig"},
			}},
		}}}
		client := dynamicfake.NewSimpleDynamicClient(runtime.NewScheme(), append(objects, role)...)
		var written []string
		client.PrependReactor("patch", "extensionconfigs",
			func(action clienttesting.Action) (bool, runtime.Object, error) {
				written = append(written, action.(clienttesting.PatchAction).GetName())
				return true, config, nil
			})
		r := &registrar{
			clients:     &clients{dynamic: client, discovery: served, ownerName: "owner"},
			place:       place{url: "https://localhost:1"},
			certificate: serving, filled: make(chan struct{}),
			finder: &discovery.Finder{Discovery: served, Logger: slog.New(slog.DiscardHandler)},
			logger: slog.New(slog.DiscardHandler),
		}
		if filled {
			close(r.filled)
		}
		if err := r.register(t.Context()); err != nil {
			require.ErrorIs(t, err, errNotSynced)
		}
		return written
	}
	t.Run("if the caches were never filled, should not offer the hooks", func(t *testing.T) {
		require.Empty(t, registering(t, false))
	})
	t.Run("if the hooks are offered already, should keep that current", func(t *testing.T) {
		require.Equal(t, []string{names.ExtensionName}, registering(t, false, config))
	})
	t.Run("if the caches are filled, should offer the hooks", func(t *testing.T) {
		require.Equal(t, []string{names.ExtensionName}, registering(t, true))
	})
}

func TestHooksReady(t *testing.T) {
	dir := t.TempDir()
	serving := certificate.NewKeeper(certificate.Directory(dir), "test", slog.New(slog.DiscardHandler))
	h := &Hooks{certificate: serving, filled: make(chan struct{}), started: time.Now()}
	require.ErrorIs(t, h.Ready(), certificate.ErrNone)
	certificatetest.Write(t, dir, certificatetest.Chain(t))
	require.NoError(t, serving.Refresh(t.Context()))
	require.ErrorIs(t, h.Ready(), errNotSynced)
	h.keep(&state.Store{})
	require.NoError(t, h.Ready())
	h.keep(nil)
	require.ErrorIs(t, h.Ready(), errNotSynced, "the caches are filled anew")
	h.keep(&state.Store{}) // a second call does no harm
	h.keep(nil)
	h.started = time.Now().Add(-time.Minute)
	require.NoError(t, h.Ready(), "the answers do not depend on the caches any more")
}
