package kubectlvip

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/render"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
	"github.com/gorizond/capi-vip-allocator/internal/names"
)

func (a *app) newRetire() *cobra.Command {
	var all bool
	var class string
	command := &cobra.Command{
		Use:   "retire ROLE",
		Short: "Print the commands that take a role out of service",
		Long: `Print the kubectl commands that take a role out of service: they delete the claims of the role, so that
the addresses go back to their pools, and then remove the annotations with its VIP. Like the other commands it writes
nothing itself: read what it prints, and pipe it into a shell.

Only Clusters that no pool serves in the role any more are named; the others are listed on stderr, and keep what they
have. So take the role off the pools first. The role control-plane cannot be taken out of service: machines use its
address.

The exit code is 1 if nothing can be done because pools serve the role still.`,
		Example: "  kubectl vip retire storage -A\n  kubectl vip retire storage -A | sh",
		Args:    cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			prefix, err := a.retires(args[0])
			if err != nil {
				return err
			}
			world, scope, err := a.look(command.Context(), all)
			if err != nil {
				return err
			}
			facts := world.Facts()
			if !facts.PoolsKnown {
				return noCluster(errors.New("not all pools can be read, so one that serves the role may not be seen; " +
					"ask someone who may read them"))
			}
			return a.retire(view.Retire(facts, scope, class, args[0]), prefix)
		},
	}
	allNamespaces(command, &all)
	command.Flags().StringVar(&class, "class", "", "Only Clusters of this ClusterClass: name, or namespace/name.")
	return command
}

// retires returns how to call kubectl for a role, or why that role cannot be retired.
func (a *app) retires(role string) (string, error) {
	if role == names.RoleControlPlane {
		return "", badInput(fmt.Errorf("the role %s cannot be taken out of service: "+
			"the machines of a Cluster use its address as long as they live; delete the Cluster", role))
	}
	if err := names.ValidateRole(role); err != nil { // also because the printed commands go into a shell
		return "", badInput(err)
	}
	return kubectlPrefix(a.connection)
}

func (a *app) retire(r view.Retirement, kubectl string) error {
	for _, kept := range r.Kept {
		_, _ = fmt.Fprintf(a.ErrOut, "kept: Cluster %s/%s: %s\n", kept.Namespace, kept.Name, kept.Why)
	}
	commands := retireCommands(&r, kubectl)
	data := struct {
		view.Retirement
		Commands []string `json:"commands"`
	}{r, commands}
	err := a.print(data, func(out io.Writer, _ *render.Options) error {
		if len(commands) == 0 {
			_, err := fmt.Fprintf(a.ErrOut, "nothing of role %s is left to take away\n", r.Role)
			return err
		}
		_, err := fmt.Fprintln(out, strings.Join(commands, "\n"))
		return err
	}, time.Time{})
	if err == nil && len(commands) == 0 && len(r.Kept) > 0 {
		return errFound
	}
	return err
}

// clusters is the unambiguous name of Clusters for kubectl; see view.ClaimResource.
const clusters = "clusters." + capi.ClusterGroup

// retireCommands returns the commands in order. The operator restores an annotation as long as it sees the claim, so
// all claims are deleted first. The commands do not wait for the deletions: with a reuse grace period they may take
// long, and an annotation keeps its address from others while it is there.
func retireCommands(r *view.Retirement, kubectl string) []string {
	commands := []string{}
	for _, c := range r.Clusters {
		if c.Claim != "" {
			commands = append(commands,
				fmt.Sprintf("%s annotate --overwrite -n %s %s %s %s=retired",
					kubectl, c.Namespace, view.ClaimResource, c.Claim, names.AllowDeletion),
				fmt.Sprintf("%s delete --wait=false -n %s %s %s", kubectl, c.Namespace, view.ClaimResource, c.Claim))
		}
	}
	for _, c := range r.Clusters {
		if c.Annotation != "" {
			commands = append(commands,
				fmt.Sprintf("%s annotate -n %s %s %s %s-", kubectl, c.Namespace, clusters, c.Name, c.Annotation))
		}
	}
	return commands
}

// kubectlPrefix returns how to call kubectl for the cluster read here: with the same flags, never with credentials.
func kubectlPrefix(connection *pflag.FlagSet) (string, error) {
	words := []string{"kubectl"}
	var failure error
	connection.VisitAll(func(f *pflag.Flag) {
		switch {
		case !f.Changed || f.Name == "namespace" || f.Name == "request-timeout":
		case slices.Contains([]string{"token", "password", "username"}, f.Name):
			failure = badInput(fmt.Errorf("--%s would be printed; use a kubeconfig instead", f.Name))
		default:
			values := []string{f.Value.String()}
			if list, ok := f.Value.(pflag.SliceValue); ok {
				values = list.GetSlice()
			}
			for _, value := range values {
				words = append(words, quoted("--"+f.Name+"="+value))
			}
		}
	})
	return strings.Join(words, " "), failure
}

// plainWord matches a word that needs no quoting in a shell.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9@%+=:,./_-]+$`)

// quoted returns a word quoted for a shell.
func quoted(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
