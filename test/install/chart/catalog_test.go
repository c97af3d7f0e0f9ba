package chart

import (
	"encoding/xml"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Masterminds/semver/v3"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"sigs.k8s.io/yaml"

	"github.com/gorizond/capi-vip-allocator/test/install/internal/helm"
)

// question is one field of the form in Rancher's Apps.
type question struct {
	Variable          string     `json:"variable"`
	Label             string     `json:"label"`
	Description       string     `json:"description"`
	Type              string     `json:"type"`
	Default           any        `json:"default"`
	Options           []string   `json:"options"`
	Min               *int       `json:"min"`
	Max               *int       `json:"max"`
	Group             string     `json:"group"`
	ShowIf            string     `json:"show_if"`
	ShowSubquestionIf any        `json:"show_subquestion_if"`
	Subquestions      []question `json:"subquestions"`
}

// TestQuestions keeps the form in line with the values: each value that it asks for exists, with the default that it
// shows.
func TestQuestions(t *testing.T) {
	loaded, err := loader.LoadDir(helm.ChartDir())
	require.NoError(t, err)
	content, err := os.ReadFile(filepath.Join(helm.ChartDir(), "questions.yaml"))
	require.NoError(t, err)
	var form struct {
		Questions []question `json:"questions"`
	}
	require.NoError(t, yaml.UnmarshalStrict(content, &form))
	var all []question
	for _, q := range form.Questions {
		require.NotEmpty(t, q.Group, q.Variable)
		all = append(append(all, q), q.Subquestions...)
	}
	require.NotEmpty(t, all)
	value := func(t *testing.T, variable string) any {
		t.Helper()
		var at any = loaded.Values
		for key := range strings.SplitSeq(variable, ".") {
			require.Contains(t, at, key, variable)
			at = at.(map[string]any)[key]
		}
		return at
	}
	for _, q := range all {
		t.Run(q.Variable, func(t *testing.T) {
			require.NotEmpty(t, q.Label)
			require.NotEmpty(t, q.Description)
			require.EqualValues(t, value(t, q.Variable), q.Default)
			wanted := map[string]any{"boolean": true, "int": 1.0, "string": "", "enum": ""}
			require.Contains(t, wanted, q.Type)
			require.IsType(t, wanted[q.Type], q.Default)
			for _, option := range append(q.Options, "") {
				if option != "" {
					render(t, nest(q.Variable, option))
				}
			}
			for _, limit := range []*int{q.Min, q.Max} {
				if limit != nil {
					render(t, nest(q.Variable, *limit))
				}
			}
			if q.ShowIf != "" {
				variable, _, _ := strings.Cut(q.ShowIf, "=")
				value(t, variable)
			}
		})
	}
}

// nest returns one value, given by its path, as YAML.
func nest(variable string, value any) string {
	keys := strings.Split(variable, ".")
	for i := len(keys) - 1; i >= 0; i-- {
		value = map[string]any{keys[i]: value}
	}
	text, _ := yaml.Marshal(value)
	return string(text)
}

// TestCatalog checks what Rancher's Apps and Artifact Hub read from the chart.
func TestCatalog(t *testing.T) {
	loaded, err := loader.LoadDir(helm.ChartDir())
	require.NoError(t, err)
	about := loaded.Metadata.Annotations
	constraint := func(t *testing.T, text string) *semver.Constraints {
		t.Helper()
		parsed, err := semver.NewConstraint(text)
		require.NoError(t, err)
		return parsed
	}
	t.Run("if Rancher lists it, should be for the management cluster of Ranchers that it fits", func(t *testing.T) {
		require.Equal(t, "management", about["catalog.cattle.io/scope"])
		require.Equal(t, "cluster-tool", about["catalog.cattle.io/type"])
		require.Equal(t, helm.Namespace, about["catalog.cattle.io/namespace"])
		require.Equal(t, helm.Name, about["catalog.cattle.io/release-name"])
		for version, fits := range map[string]bool{
			"2.12.9": false, "2.13.0": true, "2.14.3": true, "2.15.0-rc1": true,
		} {
			accepted := constraint(t, about["catalog.cattle.io/rancher-version"])
			require.Equal(t, fits, accepted.Check(semver.MustParse(version)), version)
		}
	})
	t.Run("if Kubernetes is too old, should say so in both ways", func(t *testing.T) {
		for version, fits := range map[string]bool{
			"1.26.9": false, "1.27.0": true, "1.34.2-rke2r1": true, "1.37.2": true,
		} {
			for _, text := range []string{loaded.Metadata.KubeVersion, about["catalog.cattle.io/kube-version"]} {
				require.Equal(t, fits, constraint(t, text).Check(semver.MustParse(version)), "%s in %s", version, text)
			}
		}
	})
	t.Run("if it is shown, should have an icon and a page", func(t *testing.T) {
		require.True(t, strings.HasSuffix(loaded.Metadata.Icon, "/main/charts/capi-vip-allocator/icon.svg"))
		icon, err := os.ReadFile(filepath.Join(helm.ChartDir(), path.Base(loaded.Metadata.Icon)))
		require.NoError(t, err)
		var svg struct {
			XMLName xml.Name `xml:"http://www.w3.org/2000/svg svg"`
		}
		require.NoError(t, xml.Unmarshal(icon, &svg))
		page, err := os.ReadFile(filepath.Join(helm.ChartDir(), "app-readme.md"))
		require.NoError(t, err)
		require.Contains(t, string(page), helm.Namespace)
	})
	t.Run("if Artifact Hub reads it, should name the image, and links that lead somewhere", func(t *testing.T) {
		require.Equal(t, "networking", about["artifacthub.io/category"])
		var images []struct{ Name, Image string }
		require.NoError(t, yaml.Unmarshal([]byte(about["artifacthub.io/images"]), &images))
		require.Len(t, images, 1)
		require.Equal(t, manager(t, render(t, "")).Image, images[0].Image)
		type link struct{ Name, URL string }
		var changes []struct {
			Kind, Description string
			Links             []link
		}
		require.NoError(t, yaml.Unmarshal([]byte(about["artifacthub.io/changes"]), &changes))
		require.NotEmpty(t, changes)
		var links []link
		require.NoError(t, yaml.Unmarshal([]byte(about["artifacthub.io/links"]), &links))
		for _, change := range changes {
			require.Contains(t, []string{"added", "changed", "deprecated", "removed", "fixed", "security"}, change.Kind)
			require.NotEmpty(t, change.Description)
			links = append(links, change.Links...)
		}
		for _, link := range links {
			if _, file, found := strings.Cut(link.URL, "/blob/main/"); found {
				require.FileExists(t, filepath.Join(helm.Root(), file))
			} else {
				require.Equal(t, loaded.Metadata.Home+"/issues", link.URL)
			}
		}
	})
}
