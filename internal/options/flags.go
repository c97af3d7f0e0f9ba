package options

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/pflag"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

const (
	// RuntimeExtensionOwnerFlag names the owner of the ExtensionConfig; errors about it name the flag.
	RuntimeExtensionOwnerFlag = "runtime-extension-owner"

	runtimeExtensionFlag    = "runtime-extension"
	runtimeExtensionURLFlag = "runtime-extension-url"
)

// verboseDebug is the klog verbosity from which --v means debug, as in Kubernetes' logging conventions.
const verboseDebug = 4

// maxVerbosity bounds --v. Kubernetes uses levels up to 10; higher ones are harmless and common ("--v=99").
const maxVerbosity = 100

// setting is an option that can be given as a flag and in the config file.
type setting struct {
	key   string
	flag  string
	usage string
	value pflag.Value
	// text turns what the config file says into the text of the flag.
	text func(json.RawMessage) (string, error)
}

// settings is the table of the config file: its keys, their flags and their meaning.
func (o *Options) settings() []setting {
	return []setting{
		{"retryInterval", "retry-interval", "How soon a Cluster that waits for an address is looked at again.", o.durationValue("retry-interval", &o.RetryInterval), scalar},
		{"reconcilePeriod", "reconcile-period", "How often every Cluster is looked at although nothing seems to have changed.", o.durationValue("reconcile-period", &o.ReconcilePeriod), scalar},
		{"defaultPort", "default-port", "Port of the control-plane endpoint where a Cluster has none.", o.int32Value("default-port", &o.DefaultPort), scalar},
		{"baseDomain", "base-domain", "DNS domain below which Clusters are named; empty for none.", o.textValue("base-domain", &o.BaseDomain), scalar},
		{"dnsNames", dnsNamesFlag, "Patterns of DNS names as ROLE=PATTERN separated by commas, with {cluster}, {namespace} and {baseDomain}.", o.dnsNamesValue(), dnsNamesText},
		{"runtimeExtension", runtimeExtensionFlag, "Serve Cluster API's runtime hooks on --webhook-port and register them; needs Cluster API's feature gate RuntimeSDK.", o.boolValue(runtimeExtensionFlag, &o.RuntimeExtension.Enabled), boolText},
		{"poolKinds", poolKindsFlag, "Pool kinds of other IPAM providers, as GROUP/VERSION/KIND separated by commas; they must keep Cluster API's IPAM contract.", o.poolKindsValue(&o.PoolKinds), poolKindsText},
	}
}

// Parse returns the options that the arguments of the program give. It writes the usage to usage if they ask for it, and
// returns pflag.ErrHelp. Complete and Validate are still to come.
func Parse(args []string, usage io.Writer) (*Options, error) {
	o := New()
	return o, parse(o.flagSet(args, usage), args)
}

// ParseKnown is Parse for the arguments of an operator that may be of another version. It passes over flags that it does
// not know, and then says so in its error.
func ParseKnown(args []string) (*Options, error) {
	o, err := Parse(args, io.Discard)
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return o, err
	}
	o = New()
	fs := o.flagSet(args, io.Discard)
	fs.ParseErrorsAllowlist.UnknownFlags = true
	return o, errors.Join(unknown, parse(fs, args))
}

func (o *Options) flagSet(args []string, usage io.Writer) *pflag.FlagSet {
	fs := pflag.NewFlagSet(ProgramName, pflag.ContinueOnError)
	fs.SetOutput(usage)
	o.AddFlags(fs)
	o.AcceptKindConcurrency(fs, args)
	return fs
}

func parse(fs *pflag.FlagSet, args []string) error {
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q: everything is set by flags, see --help", fs.Arg(0))
	}
	return nil
}

// AddFlags registers every flag in fs, with the current values as defaults. The program then understands all flags
// that cluster-api-operator writes into a provider's Deployment, except for those named after kinds: see
// AcceptKindConcurrency. A value that cannot be understood does not fail the parsing: Validate reports them all.
func (o *Options) AddFlags(fs *pflag.FlagSet) {
	o.flags = fs
	for _, s := range o.settings() {
		flag := fs.VarPF(s.value, s.flag, "", s.usage+" Config file: "+s.key+".")
		if s.value.Type() == boolType {
			flag.NoOptDefVal = "true"
		}
	}
	fs.StringVar(&o.ConfigFile, "config", o.ConfigFile, "Path of the config file. Flags win over what it says.")
	o.addKubeFlags(fs)
	o.addLogFlags(fs)
	o.addServerFlags(fs)
	o.addLeaderFlags(fs)
	o.addBool(fs, "version", "Print the version and exit.", &o.ShowVersion)
}

func (o *Options) addKubeFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.Kubeconfig, "kubeconfig", o.Kubeconfig, "Path of a kubeconfig. Without it $KUBECONFIG counts, else the pod's service account.")
	fs.Var(o.floatValue("kube-api-qps", &o.KubeAPIQPS), "kube-api-qps", "Requests to the API server per second, sustained.")
	fs.Var(o.intValue("kube-api-burst", &o.KubeAPIBurst), "kube-api-burst", "Requests to the API server that may be made at once beyond --kube-api-qps.")
	fs.Var(o.textValue("namespace", &o.Namespace), "namespace", "Look only at Clusters of this namespace. Empty means all.")
	fs.Var(o.textValue("watch-filter", &o.WatchFilter), "watch-filter",
		"Look only at Clusters whose label cluster.x-k8s.io/watch-filter has this value. Empty means all.")
	fs.Var(o.intValue("max-concurrent-reconciles", &o.maxConcurrentReconciles), "max-concurrent-reconciles", "How many Clusters are worked on at once.")
	fs.Var(o.intValue(clusterConcurrencyFlag, &o.clusterConcurrency), clusterConcurrencyFlag,
		"The same as --max-concurrent-reconciles, and wins over it; 0 leaves it to that. The flag of any other kind (--machine-concurrency) is accepted and ignored.")
	syncPeriod := fs.VarPF(o.durationValue("sync-period", &o.syncPeriod), "sync-period", "",
		"Another name of --reconcile-period, for Cluster API's sake. It wins over the config file; where both flags are given, it does not count.")
	syncPeriod.DefValue = ""
	fs.Var(o.gatesValue("feature-gates", &o.FeatureGates), "feature-gates", "Comma-separated list of name=true|false. Unknown names are warned about and ignored.")
}

func (o *Options) addLogFlags(fs *pflag.FlagSet) {
	fs.Var(o.levelValue("log-level", &o.LogLevel), "log-level", "Least severe level that is logged: debug, info, warn or error.")
	fs.Var(o.formatValue("log-format", &o.LogFormat), "log-format", "How log lines are written: json or text.")
	verbosity := fs.VarPF(o.intValue("v", &o.verbosity), "v", "v",
		fmt.Sprintf("Verbosity as in other Kubernetes programs: %d and more means at least --log-level=debug, higher numbers show more of client-go.", verboseDebug))
	verbosity.DefValue = "0"
}

func (o *Options) addServerFlags(fs *pflag.FlagSet) {
	fs.Var(o.textValue("health-addr", &o.HealthAddress), "health-addr", "Address of /healthz and /readyz. 0 switches them off.")
	fs.Var(o.textValue("diagnostics-address", &o.DiagnosticsAddress), "diagnostics-address",
		"Address of /metrics. Unless --insecure-diagnostics is set it is served over TLS, to those who may get the nonResourceURL /metrics. 0 switches it off.")
	fs.Var(o.textValue("diagnostics-cert-dir", &o.DiagnosticsCertDir), "diagnostics-cert-dir",
		"Directory with tls.crt and tls.key for --diagnostics-address. Empty means that the operator makes its own, which nobody can verify.")
	o.addBool(fs, "insecure-diagnostics", "Serve --diagnostics-address over plain HTTP and to anyone.", &o.InsecureDiagnostics)
	fs.Var(o.textValue("metrics-bind-addr", &o.metricsBindAddress), "metrics-bind-addr",
		"Deprecated: the same as --diagnostics-address together with --insecure-diagnostics, and wins over them.")
	fs.Var(o.textValue("profiler-address", &o.ProfilerAddress), "profiler-address",
		"Address of pprof, over plain HTTP and to anyone; off when empty. Use a loopback address such as 127.0.0.1:6060.")
	fs.Var(o.textValue("webhook-host", &o.Webhook.Host), "webhook-host", "Address that webhooks and runtime hooks bind to. Empty means every interface.")
	fs.Var(o.intValue("webhook-port", &o.Webhook.Port), "webhook-port", "Port that webhooks and runtime hooks bind to.")
	fs.Var(o.textValue("webhook-cert-dir", &o.Webhook.CertDir), "webhook-cert-dir",
		"Directory with tls.crt and tls.key, and ca.crt if clients need one, for webhooks and runtime hooks. Empty means that the operator makes its own.")
	fs.Var(o.textValue("webhook-client-ca-file", &o.Webhook.ClientCAFile), "webhook-client-ca-file",
		"File with the CAs (PEM) whose clients alone may call the runtime hooks; it is read at each connection. Empty means any client. Cluster API has --runtime-extension-client-cert-file for its own from 1.10.5 on.")
	fs.Var(o.textValue(runtimeExtensionURLFlag, &o.RuntimeExtension.URL), runtimeExtensionURLFlag,
		"Where Cluster API reaches the runtime hooks, as https://HOST:PORT. Empty means the Service "+names.ExtensionObjects+" in $POD_NAMESPACE.")
	fs.Var(o.textValue(RuntimeExtensionOwnerFlag, &o.RuntimeExtension.Owner), RuntimeExtensionOwnerFlag,
		"ClusterRole that owns the ExtensionConfig: when an uninstall removes it, the ExtensionConfig goes too. Without it nothing is registered.")
}

func (o *Options) addLeaderFlags(fs *pflag.FlagSet) {
	le := &o.LeaderElection
	o.addBool(fs, "leader-elect", "Compete for a Lease before working, so that several replicas can run.", &le.Enabled)
	fs.Var(o.textValue("leader-election-id", &o.leaderElectionID), "leader-election-id", "Name of the Lease, or NAMESPACE/NAME.")
	fs.Var(o.textValue("leader-election-namespace", &le.Namespace), "leader-election-namespace",
		"Namespace of the Lease. Without it: the one in --leader-election-id, $POD_NAMESPACE, the kubeconfig's, the pod's.")
	fs.Var(o.durationValue("leader-elect-lease-duration", &le.LeaseDuration), "leader-elect-lease-duration",
		"How long a standby waits after the last renewal that it saw before it takes over.")
	fs.Var(o.durationValue("leader-elect-renew-deadline", &le.RenewDeadline), "leader-elect-renew-deadline",
		"How long the leader works on without a renewal. What is left until --leader-elect-lease-duration is the time to finish work in hand.")
	fs.Var(o.durationValue("leader-elect-retry-period", &le.RetryPeriod), "leader-elect-retry-period", "Pause between two attempts to get or renew the Lease.")
}

func (o *Options) addBool(fs *pflag.FlagSet, name, usage string, target *bool) {
	flag := fs.VarPF(o.boolValue(name, target), name, "", usage)
	flag.NoOptDefVal = "true"
}
