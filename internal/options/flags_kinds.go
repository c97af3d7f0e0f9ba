package options

import (
	"strings"

	"github.com/spf13/pflag"
)

const (
	clusterConcurrencyFlag = "cluster-concurrency"
	concurrencySuffix      = "-concurrency"
)

// acceptKindConcurrency makes fs accept the flags --KIND-concurrency in args, the arguments about to be parsed.
// cluster-api-operator writes one for every entry of a CAPIProvider's groupKindConcurrency, with a KIND such as
// "machine" or "machine.cluster.x-k8s.io", and an unknown flag would make the program crash-loop. The flag for
// Cluster sets Options.Concurrency; all others are ignored and appear in Notices. Call it after AddFlags and before
// parsing.
func (o *Options) acceptKindConcurrency(fs *pflag.FlagSet, args []string) {
	for _, arg := range args {
		if arg == "--" {
			return
		}
		name, found := concurrencyFlag(arg)
		if !found || fs.Lookup(name) != nil {
			continue
		}
		fs.Var(o.kindConcurrency(name), name, "Concurrency of a kind.")
		// Hidden: which of these exist depends on the arguments, so they do not belong in the usage text.
		fs.Lookup(name).Hidden = true
	}
}

// kindConcurrency returns the value of one --KIND-concurrency.
func (o *Options) kindConcurrency(name string) pflag.Value {
	kind, _, _ := strings.Cut(strings.TrimSuffix(name, concurrencySuffix), ".")
	if kind == "cluster" {
		return o.intValue(clusterConcurrencyFlag, &o.clusterConcurrency)
	}
	o.ignoredKinds = append(o.ignoredKinds, name)
	return o.textValue(name, new(string))
}

// concurrencyFlag returns the name of the flag in arg, and whether it is a --KIND-concurrency.
func concurrencyFlag(arg string) (string, bool) {
	name, found := strings.CutPrefix(arg, "--")
	if !found {
		return "", false
	}
	name, _, _ = strings.Cut(name, "=")
	kind, found := strings.CutSuffix(name, concurrencySuffix)
	return name, found && kind != "" && !strings.HasPrefix(kind, "-")
}
