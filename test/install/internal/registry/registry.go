// Package registry is a registry of images and artifacts in the process of a test, open to everyone or with a
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

// Who may push to and pull from a registry with a password; no tool may stumble over what is in it.
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

// StartLocked starts a registry that wants User and Password for everything, and asks for them as the distribution's
// registry does behind htpasswd.
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
		// Who asks may be gone.
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

// Repository is the repository of the image in it.
func (r Registry) Repository() string { return r.Host + "/gorizond/capi-vip-allocator" }

// Credentials are those that it takes.
func (r Registry) Credentials() remote.Option {
	return remote.WithAuth(&authn.Basic{Username: User, Password: Password})
}

// Login leaves credentials as docker login does, with the code of docker, for what the test starts from here on. Those
// of the machine are out of sight.
func (r Registry) Login(t *testing.T, user, password string) {
	t.Helper()
	file, err := config.Load(Logout(t))
	require.NoError(t, err)
	require.NoError(t, file.GetCredentialsStore(r.Host).Store(types.AuthConfig{
		ServerAddress: r.Host, Username: user, Password: password,
	}))
}

// Logout makes an empty directory the one in which docker login leaves credentials, and returns it.
func Logout(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("DOCKER_CONFIG", dir)
	t.Setenv("REGISTRY_AUTH_FILE", "") // of podman
	t.Setenv("XDG_RUNTIME_DIR", dir)   // where podman has it otherwise
	return dir
}
