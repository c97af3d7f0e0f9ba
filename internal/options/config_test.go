package options

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func splitLines(text string) []string { return strings.Split(text, "\n") }

func TestConfigFileUnusable(t *testing.T) {
	tests := map[string]struct{ content, want string }{
		"if a key stands twice, should name it": {
			"defaultPort: 1\ndefaultPort: 2\n", `"defaultPort" already set`,
		},
		"if it is no YAML, should say so":                  {"defaultPort: [", "is not valid YAML"},
		"if it is a list, should say what it must be":      {"- defaultPort\n", "`key: value`"},
		"if it is a bare word, should say what it must be": {"hello\n", "`key: value`"},
		"if it has two documents, should not drop one silently": {
			"defaultPort: 1\n---\ndefaultPort: 2\n", "more than one YAML document",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			path := writeFile(t, "config.yaml", test.content)
			_, err := given(t, inPod(), "--config="+path)
			require.ErrorIs(t, err, ErrConfigFile)
			require.ErrorContains(t, err, path)
			require.ErrorContains(t, err, test.want)
		})
	}
}

func TestConfigFileAbsent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	o, err := given(t, inPod(), "--config="+path, "--default-port=0")
	require.ErrorIs(t, err, ErrConfigFile)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, path)
	require.ErrorContains(t, o.Validate(), "--default-port", "the other problems can be shown together with this one")
}

func TestConfigFileHarmless(t *testing.T) {
	tests := map[string]string{
		"if there are only comments, should be as good as empty":         "# nothing yet\n",
		"if there are document marks around one document, should do":     "---\ndefaultPort: 6443\n---\n",
		"if the editor saved it with Windows line ends, should not mind": "defaultPort: 6443\r\nretryInterval: 10s\r\n",
	}
	for name, content := range tests {
		t.Run(name, func(t *testing.T) {
			o, err := given(t, inPod(), "--config="+writeFile(t, "config.yaml", content))
			require.NoError(t, err)
			require.NoError(t, o.Validate())
			assert.Equal(t, int32(6443), o.DefaultPort)
		})
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte("retryInterval: 10s\n"))
	f.Add([]byte("---\n...\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		values, err := parseConfig(content)
		if err != nil {
			return
		}
		o := New()
		o.applyConfig(values)
		if err := o.Validate(); err != nil {
			assert.ErrorIs(t, err, ErrInvalidOptions)
		}
	})
}
