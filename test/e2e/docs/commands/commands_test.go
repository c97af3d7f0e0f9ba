// Package commands runs the documentation's commands on a real control plane.
package commands

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/test/e2e/docs/snippets"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

var update = flag.Bool("update", false, "write what the commands print into the pages")

// root is the top of the repository, where the commands of all pages run.
const root = "../../../.."

// alone are the pages whose own commands start a control plane.
var alone = []string{"quick-start.md"}

// elsewhere are the pages that need programs which only the tests of test/install have.
var elsewhere = []string{"standard-tools.md"}

func TestCommands(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a real control plane")
	}
	if stack, err := plane.StackFromEnv(); err != nil || stack != plane.StackCurrent {
		require.NoError(t, err)
		t.Skip("the examples are written for the current API versions")
	}
	kubectl, err := plane.Kubectl(t.Context(), plane.Options{Log: t.Output()})
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	require.NoError(t, err)
	for _, file := range files {
		page, err := snippets.Read(file)
		require.NoError(t, err)
		name := filepath.Base(file)
		if !page.Tested() || slices.Contains(elsewhere, name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			shell := snippets.Shell{
				Dir: root, Update: *update,
				Env: append(os.Environ(), "PATH="+filepath.Dir(kubectl)+":"+os.Getenv("PATH")),
			}
			if !slices.Contains(alone, name) {
				shell.Env = append(shell.Env, "KUBECONFIG="+served(t))
			}
			require.NoError(t, shell.Run(t.Context(), page))
		})
	}
}

// served starts a plane with an operator for one page, and returns the administrator's kubeconfig.
func served(t *testing.T) string {
	t.Helper()
	served, err := snippets.Serve(t.Context(), t.Output())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, served.Stop()) })
	return served.Kubeconfig
}
