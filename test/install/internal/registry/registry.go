// Package registry runs a registry of images and artifacts in the process of a test, open to everyone or with a
// password.
package registry

import (
	"crypto/subtle"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/types"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/require"
)

// The login of a registry with a password. No tool may stumble over its characters.
const (
	User     = "someone"
	Password = "correct:horse battery$taple"
)

// Registry is a registry that runs until the test ends.
type Registry struct {
	// Host is its name, with the port.
	Host string
}

// Start starts a registry that is open to everyone.
func Start(t *testing.T) Registry {
	t.Helper()
	return serve(t, handler())
}

// StartLocked starts a registry that requires User and Password for everything, and asks for them as the
// distribution's registry does behind htpasswd.
func StartLocked(t *testing.T) Registry {
	t.Helper()
	open := handler()
	return serve(t, http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		user, password, _ := request.BasicAuth()
		if subtle.ConstantTimeCompare([]byte(user+"\n"+password), []byte(User+"\n"+Password)) == 1 {
			open.ServeHTTP(w, request)
			return
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="Registry Realm"`)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		// The client may be gone.
		_, _ = io.WriteString(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`)
	}))
}

func handler() http.Handler { return registry.New(registry.Logger(log.New(io.Discard, "", 0))) }

func serve(t *testing.T, handler http.Handler) Registry {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return Registry{Host: strings.TrimPrefix(server.URL, "http://")}
}

// Repository returns the repository of the image in the registry.
func (r Registry) Repository() string { return r.Host + "/gorizond/capi-vip-allocator" }

// Credentials returns the credentials that the registry accepts.
func (r Registry) Credentials() remote.Option {
	return remote.WithAuth(&authn.Basic{Username: User, Password: Password})
}

// Login leaves credentials as docker login does, using docker's code, for whatever the test starts from here on. It
// hides the machine's own.
func (r Registry) Login(t *testing.T, user, password string) {
	t.Helper()
	file, err := config.Load(Logout(t))
	require.NoError(t, err)
	require.NoError(t, file.GetCredentialsStore(r.Host).Store(types.AuthConfig{
		ServerAddress: r.Host, Username: user, Password: password,
	}))
}

// Logout makes docker login's directory for credentials an empty one, and returns it.
func Logout(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("DOCKER_CONFIG", dir)
	t.Setenv("REGISTRY_AUTH_FILE", "") // podman's file
	t.Setenv("XDG_RUNTIME_DIR", dir)   // podman's default place
	return dir
}
