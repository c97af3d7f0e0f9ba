// Package standardtools runs the commands of docs/standard-tools.md, which need clusterctl, and checks the examples for
// k9s and Rancher.
package standardtools

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gorizond/capi-vip-allocator/test/e2e/docs/snippets"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/gorizond/capi-vip-allocator/test/install/internal/helm"
	"github.com/gorizond/capi-vip-allocator/test/install/internal/programs"
)

var update = flag.Bool("update", false, "write what the commands print into the page")

func TestStandardTools(t *testing.T) {
	clusterctl, err := programs.Path(t.Context(), programs.Clusterctl)
	require.NoError(t, err)
	kubectl, err := plane.Kubectl(t.Context(), plane.Options{Log: t.Output()})
	require.NoError(t, err)
	served, err := snippets.Serve(t.Context(), t.Output())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, served.Stop()) })
	page, err := snippets.Read(filepath.Join(helm.Root(), "docs", "standard-tools.md"))
	require.NoError(t, err)
	home := t.TempDir()
	shell := snippets.Shell{Dir: helm.Root(), Update: *update, Env: []string{
		"HOME=" + home, "XDG_CONFIG_HOME=" + home, "XDG_CACHE_HOME=" + home, "CLUSTERCTL_DISABLE_VERSIONCHECK=true",
		"KUBECONFIG=" + served.Kubeconfig,
		fmt.Sprintf("PATH=%s:%s:%s", filepath.Dir(clusterctl), filepath.Dir(kubectl), os.Getenv("PATH")),
	}}
	require.NoError(t, shell.Run(t.Context(), page))
	columns(t, kubectl, served.Kubeconfig)
}

// columns evaluates the columns of k9s, which are kubectl expressions, over the objects of a plane.
func columns(t *testing.T, kubectl, kubeconfig string) {
	t.Helper()
	var config struct {
		Views map[string]struct {
			Columns []string `json:"columns"`
		} `json:"views"`
	}
	text, err := os.ReadFile(filepath.Join(helm.Root(), "examples", "k9s", "views.yaml"))
	require.NoError(t, err)
	require.NoError(t, yaml.UnmarshalStrict(text, &config))
	require.NotEmpty(t, config.Views)
	for view, content := range config.Views {
		part := strings.Split(view, "/") // group, version, resource
		require.Len(t, part, 3, view)
		for _, column := range content.Columns {
			name, expression, found := strings.Cut(column, ":")
			if !found {
				require.Contains(t, []string{"NAMESPACE", "NAME", "AGE"}, name,
					"only these are there without an expression")
				continue
			}
			expression, _, _ = strings.Cut(expression, "|")
			require.Regexp(t, `[a-z\]]$`, expression, "k9s takes capitals at the end for its own flags")
			command := exec.CommandContext(t.Context(), kubectl, "--kubeconfig="+kubeconfig, "get",
				part[2]+"."+part[1]+"."+part[0], "-A", "--no-headers",
				"-o", "custom-columns=X:"+expression)
			values, err := command.CombinedOutput()
			require.NoError(t, err, "%s %s: %s", view, column, values)
			if part[2] == "inclusterippools" || name == "PRIORITY" {
				continue // there are none
			}
			require.NotEmpty(t, strings.Trim(strings.ReplaceAll(string(values), "<none>", ""), "\n "),
				"%s: no object has a value for %s", view, column)
		}
	}
}

// TestNavLinks decodes the example and the chart's link strictly, as Rancher's type:
// pkg/apis/ui.cattle.io/v1/types.go in rancher/rancher.
func TestNavLinks(t *testing.T) {
	type navLink struct {
		metav1.TypeMeta   `json:",inline"`
		metav1.ObjectMeta `json:"metadata"`
		Spec              struct {
			Label, Description, SideLabel, IconSrc, Group, Target, ToURL string
			ToService                                                    *struct {
				Namespace, Name, Scheme, Port, Path string
			}
		} `json:"spec"`
	}
	text, err := os.ReadFile(filepath.Join(helm.Root(), "examples", "rancher", "navlinks.yaml"))
	require.NoError(t, err)
	kinds := []string{"ui.cattle.io/v1/NavLink"}
	objects, err := helm.RenderWith(kinds, "ui: {enabled: true}", helm.Name, helm.Namespace)
	require.NoError(t, err)
	own, err := yaml.Marshal(objects.Find("NavLink", "-ui"))
	require.NoError(t, err)
	for _, document := range append(strings.Split(string(text), "\n---\n"), string(own)) {
		var link navLink
		require.NoError(t, yaml.UnmarshalStrict([]byte(document), &link))
		require.Equal(t, metav1.TypeMeta{APIVersion: "ui.cattle.io/v1", Kind: "NavLink"}, link.TypeMeta)
		require.Empty(t, link.Namespace)
		require.NotEqual(t, link.Spec.ToURL == "", link.Spec.ToService == nil, "%s goes to one place", link.Name)
	}
}
