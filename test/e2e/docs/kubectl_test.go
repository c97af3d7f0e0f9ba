package docs

import (
	"io"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
)

const pluginPage = "../../../docs/kubectl-vip.md"

// TestPluginCommandsAreCurrent compares the command reference with the plugin's commands and flags.
func TestPluginCommandsAreCurrent(t *testing.T) {
	command := kubectlvip.NewCommand(genericiooptions.IOStreams{
		In: strings.NewReader(""), Out: io.Discard, ErrOut: io.Discard,
	})
	command.InitDefaultCompletionCmd()
	var b strings.Builder
	for _, sub := range command.Commands() {
		if sub.Hidden || sub.Name() == "help" {
			continue
		}
		b.WriteString("\n### kubectl vip " + sub.Use + "\n\n" + sub.Short + ".\n")
		if sub.Name() == "completion" {
			b.WriteString("\nShells: " + strings.Join(childrenOf(sub), ", ") + ".\n")
			continue
		}
		b.WriteString(flagTable(sub.LocalNonPersistentFlags()))
	}
	b.WriteString("\n### Flags of all commands\n" + flagTable(command.PersistentFlags()) +
		"\nThe other connection flags of kubectl (`--server`, `--token`, `--as-group`, ...) work as well.\n\n")

	isCurrent(t, pluginPage, "commands", b.String())
}

// isCurrent compares the generated part of a page, between a comment that names it and the next end, with the
// expected content; with -update it writes that.
func isCurrent(t *testing.T, page, part, content string) {
	t.Helper()
	begin, end := "<!-- "+part+": go test ./test/e2e/docs -update -->\n", "<!-- end -->"
	text := read(t, page)
	before, rest, ok := strings.Cut(text, begin)
	require.True(t, ok, "%s has no place for the %s", page, part)
	_, after, ok := strings.Cut(rest, end)
	require.True(t, ok, "the place for the %s has no end", part)
	want := before + begin + content + end + after
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(want), 0o600))
		return
	}
	assert.Equal(t, want, text, "%s is out of date: go test ./test/e2e/docs -update", page)
}

func childrenOf(command *cobra.Command) []string {
	var names []string
	for _, sub := range command.Commands() {
		names = append(names, sub.Name())
	}
	return names
}

// flagTable lists flags as a table, or nothing if there are none.
func flagTable(flags *pflag.FlagSet) string {
	var rows strings.Builder
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		name := "`--" + f.Name + "`"
		if f.Shorthand != "" {
			name = "`-" + f.Shorthand + "`, " + name
		}
		value := f.DefValue
		if value != "" {
			value = "`" + value + "`"
		}
		rows.WriteString("| " + name + " | " + value + " | " + strings.ReplaceAll(f.Usage, "|", `\|`) + " |\n")
	})
	if rows.Len() == 0 {
		return ""
	}
	return "\n| flag | default | |\n| --- | --- | --- |\n" + rows.String()
}

// TestChecksAreDocumented finds every check of kubectl vip check on its page.
func TestChecksAreDocumented(t *testing.T) {
	text := read(t, pluginPage)
	for _, check := range view.CheckNames() {
		assert.Contains(t, text, "| `"+check[0]+"` | "+check[1]+" |", "docs/kubectl-vip.md lacks the check")
	}
}
