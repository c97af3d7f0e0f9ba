package snippets

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// fence stands for the three backquotes, which a raw Go string cannot hold.
const fence = "~~~"

func page(t *testing.T, text string) *Page {
	t.Helper()
	path := filepath.Join(t.TempDir(), "page.md")
	require.NoError(t, os.WriteFile(path, []byte(strings.ReplaceAll(text, fence, "```")), 0o600))
	read, err := Read(path)
	require.NoError(t, err)
	return read
}

func TestRun(t *testing.T) {
	shell := Shell{Env: []string{"PATH=" + os.Getenv("PATH")}}
	for name, test := range map[string]struct {
		page, wrong string
	}{
		"if all commands succeed, should be content": {"~~~sh test\ntrue\n~~~\n", ""},
		"if a command fails, should name its line": {
			"# A\n~~~sh test\ntrue\n~~~\n\n~~~sh test\nfalse\n~~~\n", "page.md:7: the block failed",
		},
		"if a command in the middle of a pipe fails, should fail": {
			"~~~sh test\nfalse | cat\n~~~\n", "the block failed",
		},
		"if a block is not marked, should not run it": {"~~~sh\nfalse\n~~~\n", ""},
		"if a hidden check fails, should fail": {
			"~~~sh test\na=1\n~~~\n<!-- test\ntest $a = 2\n-->\n", "page.md:5: the block failed",
		},
		"if a later block uses a variable of an earlier, should have it": {
			"~~~sh test\na=1\n~~~\n~~~sh test\ntest $a = 1\n~~~\n", "",
		},
		"if the output is what the page says, should be content": {
			"~~~sh test\necho hello; echo there >&2\n~~~\n~~~text output\nhello\nthere\n~~~\n", "",
		},
		"if the output is another, should show both": {
			"~~~sh test\necho hello\n~~~\n~~~text output\nbye\n~~~\n", "page.md:5: the output is another",
		},
		"if only ages and widths differ, should be content": {
			"~~~sh test\necho 'a-x7k2p  1m3s'\n~~~\n~~~text output\na-bcdfg   5s\n~~~\n", "",
		},
		"if an address differs, should say so": {
			"~~~sh test\necho 10.0.0.1\n~~~\n~~~text output\n10.0.0.2\n~~~\n", "the output is another",
		},
		"if something is left in the background, should end it": {"~~~sh test\nsleep 1000 &\n~~~\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := shell.Run(t.Context(), page(t, test.page))
			if test.wrong == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.wrong)
		})
	}
}

func TestUpdate(t *testing.T) {
	p := page(t,
		"~~~sh test\necho 1\n~~~\n~~~text output\nold\n~~~\nbetween\n~~~sh test\necho 2\n~~~\n~~~text output\n~~~\n")
	require.NoError(t, Shell{Update: true, Env: os.Environ()}.Run(t.Context(), p))
	text, err := os.ReadFile(p.Path)
	require.NoError(t, err)
	require.Equal(t, strings.ReplaceAll("~~~sh test\necho 1\n~~~\n~~~text output\n1\n~~~\nbetween\n~~~sh test\n"+
		"echo 2\n~~~\n~~~text output\n2\n~~~\n", fence, "```"), string(text))
}

func TestRead(t *testing.T) {
	for name, text := range map[string]string{
		"if a block has no end, should refuse the page":          "~~~sh test\ntrue\n",
		"if there is an output and no command, should refuse it": "~~~text output\nhello\n~~~\n",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "page.md")
			require.NoError(t, os.WriteFile(path, []byte(strings.ReplaceAll(text, fence, "```")), 0o600))
			_, err := Read(path)
			require.ErrorContains(t, err, "page.md:1:")
		})
	}
}
