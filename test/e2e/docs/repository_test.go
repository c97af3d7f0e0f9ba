package docs

import (
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// TestEveryModuleIsWatched: dependabot watches each go.mod, and the workflows.
func TestEveryModuleIsWatched(t *testing.T) {
	var config struct {
		Updates []struct {
			Ecosystem   string   `json:"package-ecosystem"`
			Directory   string   `json:"directory"`
			Directories []string `json:"directories"`
		} `json:"updates"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(read(t, "../../../.github/dependabot.yml")), &config))
	watched := map[string][]string{}
	for _, update := range config.Updates {
		watched[update.Ecosystem] = append(watched[update.Ecosystem], update.Directories...)
		if update.Directory != "" {
			watched[update.Ecosystem] = append(watched[update.Ecosystem], update.Directory)
		}
	}
	assert.Equal(t, []string{"/"}, watched["github-actions"])
	modules := 0
	require.NoError(t, filepath.WalkDir("../../..", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() &&
			(entry.Name() == "testdata" || strings.HasPrefix(entry.Name(), ".") && entry.Name() != "..") {
			return fs.SkipDir
		}
		if entry.Name() != "go.mod" {
			return nil
		}
		modules++
		where := "/" + strings.TrimPrefix(strings.TrimPrefix(filepath.ToSlash(filepath.Dir(file)), "../../.."), "/")
		for _, pattern := range watched["gomod"] {
			if found, err := path.Match(pattern, where); err != nil || found {
				return err
			}
		}
		t.Errorf("nobody watches %s/go.mod: add it to .github/dependabot.yml", where)
		return nil
	}))
	assert.Greater(t, modules, 10)
}

// TestActionsArePinned: the owner of an action can move its tags, but not a commit.
func TestActionsArePinned(t *testing.T) {
	workflows, err := filepath.Glob("../../../.github/workflows/*.yaml")
	require.NoError(t, err)
	used := regexp.MustCompile(`uses: (.*)`)
	pinned := regexp.MustCompile(`^[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
	actions := 0
	for _, workflow := range workflows {
		for _, match := range used.FindAllStringSubmatch(read(t, workflow), -1) {
			actions++
			assert.Regexp(t, pinned, match[1], "%s: name the commit, and the version in a comment", workflow)
		}
	}
	assert.Greater(t, actions, 10)
}

// TestPipesOfWorkflowsFail: GitHub runs steps with pipefail only where bash is named. Without it, nobody notices when
// a push within a pipe fails.
func TestPipesOfWorkflowsFail(t *testing.T) {
	workflows, err := filepath.Glob("../../../.github/workflows/*.yaml")
	require.NoError(t, err)
	commands := 0
	for _, file := range workflows {
		var workflow struct {
			Defaults struct {
				Run struct {
					Shell string `json:"shell"`
				} `json:"run"`
			} `json:"defaults"`
			Jobs map[string]struct {
				Steps []struct {
					Run string `json:"run"`
				} `json:"steps"`
			} `json:"jobs"`
		}
		require.NoError(t, yaml.Unmarshal([]byte(read(t, file)), &workflow))
		for name, job := range workflow.Jobs {
			for _, step := range job.Steps {
				if step.Run == "" {
					continue
				}
				commands++
				assert.Equal(t, "bash", workflow.Defaults.Run.Shell, "%s, job %s: name the shell in defaults.run",
					file, name)
			}
		}
	}
	assert.Greater(t, commands, 10)
}

// TestWorkflowsThatHaveNotRunAreNamed: contributors can read which workflows are untried.
func TestWorkflowsThatHaveNotRunAreNamed(t *testing.T) {
	workflows, err := filepath.Glob("../../../.github/workflows/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, workflows)
	_, names, found := strings.Cut(read(t, "../../../CONTRIBUTING.md"), "The workflows in `.github/workflows` (")
	require.True(t, found)
	names, _, _ = strings.Cut(names, ")")
	var want []string
	for _, workflow := range workflows {
		name := strings.TrimSuffix(filepath.Base(workflow), ".yaml")
		want = append(want, name)
		assert.Contains(t, read(t, workflow), "has not run yet", "%s says so itself", name)
	}
	assert.ElementsMatch(t, want, strings.Split(names, ", "))
}

// TestWhatIsLeftToTheNight: the tests that changes skip on the oldest versions exist, and every nightly run includes
// them.
func TestWhatIsLeftToTheNight(t *testing.T) {
	makefile := read(t, "../../../Makefile")
	_, list, found := strings.Cut(makefile, "SAME_ON_ALL :=")
	require.True(t, found)
	list, _, _ = strings.Cut(list, "\nspace")
	left := strings.Fields(strings.ReplaceAll(list, "\\", ""))
	assert.Greater(t, len(left), 10)
	files, err := filepath.Glob("../acceptance/*_test.go")
	require.NoError(t, err)
	var tests strings.Builder
	for _, file := range files {
		tests.WriteString(read(t, file))
	}
	for _, name := range left {
		assert.Contains(t, tests.String(), "\nfunc "+name+"(",
			"take it out of SAME_ON_ALL in the Makefile, or give it its new name")
	}
	assert.Contains(t, read(t, "../../../.github/workflows/nightly.yaml"), "make test-versions")
}
