package operator

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
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
	"github.com/gorizond/capi-vip-allocator/internal/discovery"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/state"
)

// chain is a certificate as Renew makes it.
func chain(t *testing.T) map[string][]byte {
	t.Helper()
	data, _, err := certificate.Renew(nil, "test", []string{"localhost"}, time.Now())
	require.NoError(t, err)
	return data
}

func writeChain(t *testing.T, dir string, data map[string][]byte) {
	t.Helper()
	for name, content := range data {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
	}
}

// serverSays connects and returns the error of a client that trusts a bundle.
func serverSays(t *testing.T, address string, bundle []byte) error {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle)
	dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: time.Minute}, Config: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: "localhost"}}
	connection, err := dialer.DialContext(t.Context(), "tcp", address)
	if err == nil {
		err = connection.Close()
	}
	return err
}

// A server takes up the files of --webhook-cert-dir, and new ones without a restart; what cannot be used changes nothing.
func TestServingCertificateFromDirectory(t *testing.T) {
	dir := t.TempDir()
	serving := newServingCertificate(directory(dir), "test", slog.New(slog.DiscardHandler))
	_, err := serving.get(nil)
	require.ErrorIs(t, err, errNoCertificate)
	require.Error(t, serving.refresh(t.Context()), "the directory is empty")

	first, second := chain(t), chain(t)
	writeChain(t, dir, first)
	require.NoError(t, serving.refresh(t.Context()))
	require.Equal(t, first[certificate.BundleKey], serving.bundle())
	<-serving.changed

	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: serving.get})
	require.NoError(t, err)
	defer listener.Close()
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { _ = connection.(*tls.Conn).HandshakeContext(context.Background()); _ = connection.Close() }()
		}
	}()
	address := listener.Addr().String()
	require.NoError(t, serverSays(t, address, first[certificate.BundleKey]))

	require.NoError(t, os.WriteFile(filepath.Join(dir, certificate.CertificateKey), []byte("half a file"), 0o600))
	require.Error(t, serving.refresh(t.Context()))
	require.NoError(t, serverSays(t, address, first[certificate.BundleKey]), "the last good one stays in use")

	writeChain(t, dir, second)
	require.NoError(t, serving.refresh(t.Context()))
	require.NoError(t, serverSays(t, address, second[certificate.BundleKey]))
	require.Error(t, serverSays(t, address, first[certificate.BundleKey]))
	<-serving.changed
	require.NoError(t, serving.refresh(t.Context()))
	require.Empty(t, serving.changed, "nothing has changed")

	require.NoError(t, os.Remove(filepath.Join(dir, certificate.BundleKey)))
	require.NoError(t, serving.refresh(t.Context()))
	require.Empty(t, serving.bundle(), "then somebody else says what verifies the certificate")
}

type sourceFunc func() (map[string][]byte, error)

func (f sourceFunc) load(context.Context) (map[string][]byte, error) { return f() }

// keep looks again soon while there is nothing, and ends with its context.
func TestServingCertificateKeeps(t *testing.T) {
	data, asked := chain(t), make(chan struct{}, 10)
	ctx, cancel := context.WithCancel(t.Context())
	var log bytes.Buffer
	serving := newServingCertificate(sourceFunc(func() (map[string][]byte, error) {
		asked <- struct{}{}
		if len(asked) == 1 {
			return nil, errors.New("no API server")
		}
		cancel()
		return data, nil
	}), "test", slog.New(slog.NewTextHandler(&log, nil)))
	serving.keep(ctx, time.Hour)
	require.True(t, serving.loaded())
	require.Contains(t, log.String(), "no API server")
	require.Len(t, asked, 2)
}

func TestExtensionPlace(t *testing.T) {
	hosts, err := extensionPlace{namespace: "vip"}.hosts()
	require.NoError(t, err)
	require.Equal(t, "capi-vip-allocator-runtime-extension.vip.svc", hosts[0], "what Cluster API asks the certificate for")
	hosts, err = extensionPlace{url: "https://[2001:db8::1]:9443/x", namespace: "vip"}.hosts()
	require.NoError(t, err)
	require.Equal(t, []string{"2001:db8::1"}, hosts)
}

func TestIsRegistered(t *testing.T) {
	owner := metav1.OwnerReference{Kind: "ClusterRole", Name: "r", UID: "u"}
	place := extensionPlace{namespace: "vip"}
	wanted := place.clientConfig([]byte("bundle"))
	current := func(change func(*unstructured.Unstructured)) *unstructured.Unstructured {
		config := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"clientConfig": place.clientConfig([]byte("bundle"))}}}
		config.SetOwnerReferences([]metav1.OwnerReference{owner})
		change(config)
		return config
	}
	set := func(value any, path ...string) func(*unstructured.Unstructured) {
		return func(u *unstructured.Unstructured) {
			require.NoError(t, unstructured.SetNestedField(u.Object, value, append([]string{"spec", "clientConfig"}, path...)...))
		}
	}
	tests := map[string]struct {
		change func(*unstructured.Unstructured)
		want   bool
	}{
		"if it is as it was written, should leave it":       {func(*unstructured.Unstructured) {}, true},
		"if the bundle is another, should write it":         {set("other", "caBundle"), false},
		"if the Service is another, should write it":        {set("elsewhere", "service", "namespace"), false},
		"if somebody added a URL, should write it":          {set("https://x", "url"), false},
		"if nobody owns it, should write it":                {func(u *unstructured.Unstructured) { u.SetOwnerReferences(nil) }, false},
		"if its owner was made anew since, should write it": {func(u *unstructured.Unstructured) { u.SetOwnerReferences([]metav1.OwnerReference{{UID: "old"}}) }, false},
		"if the namespaces are selected by a user, should leave": {func(u *unstructured.Unstructured) {
			_ = unstructured.SetNestedField(u.Object, "x", "spec", "namespaceSelector")
		}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, test.want, isRegistered(current(test.change), wanted, owner))
		})
	}
	require.True(t, isRegistered(current(set("theirs", "caBundle")), place.clientConfig(nil), owner), "a bundle that we do not know is not ours to change")
}

// Without a replica that answers, Cluster API would not start beside an ExtensionConfig.
func TestRegisterWaitsForCaches(t *testing.T) {
	serving := newServingCertificate(directory(t.TempDir()), "test", slog.New(slog.DiscardHandler))
	writeChain(t, string(serving.source.(directory)), chain(t))
	require.NoError(t, serving.refresh(t.Context()))
	role := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": map[string]any{"name": "owner", "uid": "uid-of-owner"},
	}}
	config := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "runtime.cluster.x-k8s.io/v1beta2", "kind": "ExtensionConfig", "metadata": map[string]any{"name": names.ExtensionName},
	}}
	registering := func(t *testing.T, filled bool, objects ...runtime.Object) []string {
		t.Helper()
		served := &discoveryfake.FakeDiscovery{Fake: &clienttesting.Fake{Resources: []*metav1.APIResourceList{
			{GroupVersion: "runtime.cluster.x-k8s.io/v1beta2", APIResources: []metav1.APIResource{{Name: "extensionconfigs", Kind: "ExtensionConfig"}}},
		}}}
		client := dynamicfake.NewSimpleDynamicClient(runtime.NewScheme(), append(objects, role)...)
		var written []string
		client.PrependReactor("patch", "extensionconfigs", func(action clienttesting.Action) (bool, runtime.Object, error) {
			written = append(written, action.(clienttesting.PatchAction).GetName())
			return true, config, nil
		})
		r := &registrar{
			extensionClients: &extensionClients{dynamic: client, discovery: served, ownerName: "owner"}, place: extensionPlace{url: "https://localhost:1"},
			certificate: serving, filled: make(chan struct{}), finder: &discovery.Finder{Discovery: served, Logger: slog.New(slog.DiscardHandler)},
			logger: slog.New(slog.DiscardHandler),
		}
		if filled {
			close(r.filled)
		}
		if err := r.register(t.Context()); err != nil {
			require.ErrorIs(t, err, errHooksNotSynced)
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
	serving := newServingCertificate(directory(t.TempDir()), "test", slog.New(slog.DiscardHandler))
	h := &hooks{certificate: serving, filled: make(chan struct{}), started: time.Now()}
	require.ErrorIs(t, h.ready(), errNoCertificate)
	writeChain(t, string(serving.source.(directory)), chain(t))
	require.NoError(t, serving.refresh(t.Context()))
	require.ErrorIs(t, h.ready(), errHooksNotSynced)
	h.keep(&state.Store{})
	require.NoError(t, h.ready())
	h.keep(nil)
	require.ErrorIs(t, h.ready(), errHooksNotSynced, "the caches are filled anew")
	h.keep(&state.Store{}) // and once more does no harm
	h.keep(nil)
	h.started = time.Now().Add(-time.Minute)
	require.NoError(t, h.ready(), "the answers do not depend on the caches any more")
}
