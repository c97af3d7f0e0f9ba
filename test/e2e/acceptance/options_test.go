package acceptance

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/test/env/harness"
)

func TestBadOptions(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the operator")
	}
	t.Run("if several values are bad, should refuse them all at once, each with its key", func(t *testing.T) {
		config := filepath.Join(t.TempDir(), "config.yaml")
		require.NoError(t,
			os.WriteFile(config, []byte("defaultPort: 70000\nretryInterval: soon\nnonsense: 1\n"), 0o600))
		code, output, err := harness.Run(t.Context(), "--config="+config, "--leader-elect=false",
			"--reconcile-period=1ms", "--log-level=loud", "--health-addr=nowhere")
		require.NoError(t, err)
		require.Equal(t, 1, code)
		for _, key := range []string{
			"defaultPort", "retryInterval", "nonsense", "--reconcile-period", "--log-level", "--health-addr",
		} {
			require.Contains(t, output, key)
		}
	})
	t.Run("if a flag is unknown, should say which", func(t *testing.T) {
		code, output, err := harness.Run(t.Context(), "--no-such-flag=1")
		require.NoError(t, err)
		require.Equal(t, 1, code)
		require.Contains(t, output, "no-such-flag")
	})
	t.Run("if no API server is known, should say how to name one", func(t *testing.T) {
		code, output, err := harness.Run(t.Context(), "--leader-elect=false")
		require.NoError(t, err)
		require.Equal(t, 1, code)
		require.Contains(t, output, "--kubeconfig")
	})
	t.Run("if asked for help or the version, should answer and end well", func(t *testing.T) {
		for _, flag := range []string{"--help", "--version"} {
			code, output, err := harness.Run(t.Context(), flag)
			require.NoError(t, err)
			require.Zero(t, code, flag)
			require.NotEmpty(t, output)
		}
	})
}
