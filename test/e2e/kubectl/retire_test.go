package kubectl

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// retires fixes a misspelled role, and takes the wrong one out of service with what the plugin prints.
func (e *env) retires(t *testing.T) {
	const wrong, right = "storge", "storage"
	clusters := []string{"first", "second"}
	served := func(role string) func() error {
		return func() error {
			for _, cluster := range clusters {
				if e.Cluster(team, cluster).VIP(role) == "" {
					return fmt.Errorf("Cluster %s has no VIP for %s", cluster, role)
				}
			}
			return nil
		}
	}
	require.NoError(t, e.Create(t.Context(), harness.NewPool{
		Name: "disks", Class: "metal", Role: wrong, Addresses: []string{"10.0.3.10-10.0.3.19"},
	}))
	e.await(t, served(wrong))
	refused := e.vip(t, "retire", wrong, "-n", team)
	assert.Equal(t, kubectlvip.ExitFound, refused.code)
	assert.Empty(t, refused.out)
	assert.Contains(t, refused.err, "Cluster team/first: GlobalInClusterIPPool/disks is labelled to serve it")

	require.NoError(t, harness.Merge(t.Context(), e.Pools(""), "disks", map[string]any{
		"metadata": map[string]any{"labels": map[string]any{names.Role: right}},
	}))
	e.await(t, served(right))
	require.NoError(t, served(wrong)(), "a bound claim stays, whatever becomes of its pool")

	script := e.vip(t, "retire", wrong, "-n", team)
	require.Zero(t, script.code)
	e.shell(t, script.out)
	e.await(t, func() error {
		for _, cluster := range clusters {
			c := e.Cluster(team, cluster)
			switch {
			case e.Claim(team, names.ClaimName(cluster, wrong)) != nil:
				return fmt.Errorf("the claim of %s is there", cluster)
			case c.VIP(wrong) != "":
				return fmt.Errorf("the annotation of %s is there", cluster)
			case c.Condition(wrong) != nil:
				return fmt.Errorf("the condition of %s is there: %s", cluster, c.Condition(wrong).Message)
			}
		}
		return nil
	})
	e.await(t, func() error {
		used := 0
		for _, claim := range e.ClaimsIn(team) {
			if strings.HasPrefix(claim.GetName(), "vip-"+right+"-") {
				used++
			}
		}
		if capacity, known := e.Capacity("", "disks"); !known || capacity.Used != used {
			return fmt.Errorf("%d of its addresses are in use, and %d claims are there", capacity.Used, used)
		}
		return nil
	})
	require.NoError(t, served(right)())
	again := e.vip(t, "retire", wrong, "-A")
	assert.Zero(t, again.code)
	assert.Empty(t, again.out)
	assert.Contains(t, again.err, "nothing of role storge is left")
}

// shell runs what the plugin printed, as if someone piped it into a shell.
func (e *env) shell(t *testing.T, script string) {
	t.Helper()
	kubectl, err := plane.Kubectl(t.Context(), plane.Options{Log: t.Output()})
	require.NoError(t, err)
	sh := exec.CommandContext(t.Context(), "sh", "-e")
	sh.Env = append(os.Environ(), "PATH="+filepath.Dir(kubectl)+":"+os.Getenv("PATH"))
	sh.Stdin = strings.NewReader(script)
	out, err := sh.CombinedOutput()
	require.NoError(t, err, "%s", out)
	t.Logf("%s", out)
}
