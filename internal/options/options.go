// Package options defines everything that can be set from outside: the flags, the keys of the config file, what they
// mean and which values they accept. The operator, the kubectl plugin and the documentation all use it.
package options

import (
	"cmp"
	"errors"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// The defaults that other parts of the program, the manifests or the documentation also mention.
const (
	// ProgramName is the program's name in user agents, certificates and version lines.
	ProgramName = "capi-vip-allocator"
	// DefaultRetryInterval is how soon a Cluster that waits for an address is reconciled again.
	DefaultRetryInterval = 10 * time.Second
	// DefaultReconcilePeriod is how often every Cluster is reconciled even if nothing seems to have changed.
	DefaultReconcilePeriod = 30 * time.Second
	// DefaultProbeTimeout is how long a probe of an address waits for an answer.
	DefaultProbeTimeout = time.Second
	// DefaultControlPlanePort is the API server port written with a virtual IP; kubeadm's default.
	DefaultControlPlanePort = vip.DefaultPort
	// DefaultConcurrency is how many Clusters are reconciled at once.
	DefaultConcurrency = 10
	// DefaultKubeAPIQPS is the sustained request rate; client-go's own default of 5 would throttle a storm of new
	// Clusters.
	DefaultKubeAPIQPS float32 = 200
	// DefaultKubeAPIBurst is how far the request rate may briefly be exceeded.
	DefaultKubeAPIBurst = 400
	// DefaultHealthAddress is where Cluster API providers answer probes.
	DefaultHealthAddress = ":9440"
	// DefaultDiagnosticsAddress is where Cluster API providers serve metrics.
	DefaultDiagnosticsAddress = ":8443"
	// DefaultWebhookPort is where Cluster API providers serve webhooks.
	DefaultWebhookPort = 9443
	// DefaultLeaderElectionID is the name of the Lease that replicas compete for.
	DefaultLeaderElectionID = names.LeaseName
	// DefaultLeaseDuration, DefaultRenewDeadline and DefaultRetryPeriod are the usual timings of Kubernetes
	// components.
	DefaultLeaseDuration = 15 * time.Second
	// DefaultRenewDeadline is how long a leader may go without renewing before it stops on its own.
	DefaultRenewDeadline = 10 * time.Second
	// DefaultRetryPeriod is the pause between two attempts to get or renew the Lease.
	DefaultRetryPeriod = 2 * time.Second
)

// LookupEnv reads an environment variable. It has the signature of os.LookupEnv, and is passed in so that the
// environment is read in one place and tests can bring their own.
type LookupEnv func(key string) (value string, found bool)

// ReadFile reads a file; it has the signature of os.ReadFile.
type ReadFile func(path string) ([]byte, error)

// LogFormat is how log lines are written.
type LogFormat string

// The log formats.
const (
	// LogJSON writes one JSON object per line, for machines.
	LogJSON LogFormat = "json"
	// LogText writes key=value pairs, for people.
	LogText LogFormat = "text"
)

// Options is everything that can be set from outside. Call Parse, Complete and Validate, in this order, before you
// use the fields.
type Options struct {
	// RetryInterval is how soon a waiting Cluster is reconciled again. Config file: retryInterval.
	RetryInterval time.Duration
	// ReconcilePeriod is how often every Cluster is reconciled anyway. Config file: reconcilePeriod.
	ReconcilePeriod time.Duration
	// ProbeTimeout is how long a probe of an address waits for an answer. Config file: probeTimeout.
	ProbeTimeout time.Duration
	// DefaultPort is the port for endpoints that have none. Config file: defaultPort.
	DefaultPort int32
	// BaseDomain is the DNS domain below which Clusters are named; empty for none. Config file: baseDomain.
	BaseDomain string

	// DNSNames are the patterns of DNS names by role. Config file: dnsNames.
	DNSNames map[string]string

	// PoolKinds are the pool kinds of other IPAM providers. Config file: poolKinds.
	PoolKinds []schema.GroupVersionKind

	// ConfigFile is the path of the config file; empty for none.
	ConfigFile string
	// Kubeconfig is the path of a kubeconfig; empty means $KUBECONFIG, else the pod's service account.
	Kubeconfig string
	// KubeAPIQPS is the sustained number of requests to the API server per second.
	KubeAPIQPS float32
	// KubeAPIBurst is how many requests may be made at once above KubeAPIQPS.
	KubeAPIBurst int
	// Namespace restricts the operator to the Clusters of one namespace; empty means all.
	Namespace string
	// WatchFilter restricts the operator to Clusters with this value of the label cluster.x-k8s.io/watch-filter; empty
	// means all.
	WatchFilter string
	// Concurrency is how many Clusters are reconciled at once.
	Concurrency int

	// LogLevel is the lowest level that is logged; Complete lowers it if --v asks for more.
	LogLevel slog.Level
	// LogFormat is how log lines are written.
	LogFormat LogFormat

	// HealthAddress serves /healthz and /readyz; "" and "0" switch it off.
	HealthAddress string
	// DiagnosticsAddress serves /metrics; "" and "0" switch it off.
	DiagnosticsAddress string
	// DiagnosticsCertDir holds tls.crt and tls.key for DiagnosticsAddress; empty means that the operator makes its
	// own.
	DiagnosticsCertDir string
	// InsecureDiagnostics serves DiagnosticsAddress to anyone, over plain HTTP.
	InsecureDiagnostics bool
	// ProfilerAddress serves pprof over plain HTTP; "" and "0" switch it off.
	ProfilerAddress string

	// Webhook is where webhooks and runtime hooks are served.
	Webhook Webhook
	// RuntimeExtension says whether runtime hooks are served. Config file: runtimeExtension.
	RuntimeExtension RuntimeExtension
	// LeaderElection says whether and how replicas elect a leader.
	LeaderElection LeaderElection
	// FeatureGates are the gates from --feature-gates; unknown ones are kept and warned about.
	FeatureGates map[string]bool
	// ShowVersion asks to print the version and exit.
	ShowVersion bool

	// PodNamespace is the operator's own namespace ($POD_NAMESPACE); empty outside a pod. Set by Complete.
	PodNamespace string

	verbosity               int
	maxConcurrentReconciles int
	clusterConcurrency      int
	syncPeriod              time.Duration
	metricsBindAddress      string
	leaderElectionID        string

	flags          *pflag.FlagSet
	kubeconfigList []string
	// namespaceFile is where a pod finds its own namespace; a field so that tests can change it.
	namespaceFile string
	// origin says, per flag, where its value came from if not from the flag itself.
	origin map[string]string
	// refused holds, per flag, the text that could not be parsed.
	refused      map[string]string
	fileProblems []error
	ignoredKinds []string
}

// Webhook is where webhooks and runtime hooks are served.
type Webhook struct {
	// Host is the address to bind to; empty means every interface.
	Host string
	// Port is the port to bind to; 0 switches serving off.
	Port int
	// CertDir holds tls.crt and tls.key; empty means that the operator makes its own certificate.
	CertDir string
	// ClientCAFile holds the CAs of the clients that may call the runtime hooks; empty means that anyone may.
	ClientCAFile string
}

// RuntimeExtension says whether and how Cluster API reaches the runtime hooks.
type RuntimeExtension struct {
	// Enabled serves the hooks and registers them with Cluster API.
	Enabled bool
	// URL is where Cluster API reaches the hooks; empty means through their Service.
	URL string
	// Owner is the ClusterRole that owns the ExtensionConfig, so that an uninstall removes it.
	Owner string
}

// LeaderElection says whether and how replicas elect a leader.
type LeaderElection struct {
	// Enabled is false when a single process runs without a Lease.
	Enabled bool
	// ID is the name of the Lease.
	ID string
	// Namespace is the Lease's namespace; Complete sets it if it is not given.
	Namespace string
	// LeaseDuration is how long after the last renewal it saw a standby takes over.
	LeaseDuration time.Duration
	// RenewDeadline is how long the leader carries on without a renewal.
	RenewDeadline time.Duration
	// RetryPeriod is the pause between two attempts.
	RetryPeriod time.Duration
}

// New returns the defaults.
func New() *Options {
	return &Options{
		RetryInterval:      DefaultRetryInterval,
		ReconcilePeriod:    DefaultReconcilePeriod,
		ProbeTimeout:       DefaultProbeTimeout,
		DefaultPort:        DefaultControlPlanePort,
		DNSNames:           DefaultDNSNames(),
		KubeAPIQPS:         DefaultKubeAPIQPS,
		KubeAPIBurst:       DefaultKubeAPIBurst,
		Concurrency:        DefaultConcurrency,
		LogLevel:           slog.LevelInfo,
		LogFormat:          LogJSON,
		HealthAddress:      DefaultHealthAddress,
		DiagnosticsAddress: DefaultDiagnosticsAddress,
		Webhook:            Webhook{Port: DefaultWebhookPort},
		RuntimeExtension:   RuntimeExtension{Owner: names.ExtensionObjects},
		LeaderElection: LeaderElection{
			Enabled:       true,
			ID:            DefaultLeaderElectionID,
			LeaseDuration: DefaultLeaseDuration,
			RenewDeadline: DefaultRenewDeadline,
			RetryPeriod:   DefaultRetryPeriod,
		},
		FeatureGates:            map[string]bool{},
		maxConcurrentReconciles: DefaultConcurrency,
		leaderElectionID:        DefaultLeaderElectionID,
		namespaceFile:           "/var/run/secrets/kubernetes.io/serviceaccount/namespace",
		origin:                  map[string]string{},
		refused:                 map[string]string{},
	}
}

// Complete fills in values from the environment, the config file and flags that are aliases. Call it once, after the
// flags are parsed and before Validate. It fails, with all errors joined, if the config file or a kubeconfig cannot
// be read. Validate reports bad values: to show a user everything at once, join the errors of both.
//
// A given flag takes precedence over the config file, and that over the default. --sync-period is an alias of
// --reconcile-period: it also takes precedence over the file, but not over --reconcile-period.
func (o *Options) Complete(lookupEnv LookupEnv) error {
	return errors.Join(o.completeSettings(lookupEnv, os.ReadFile), o.completeLeaseNamespace())
}

// CompleteInPod is Complete for the options of an operator that runs elsewhere, in a pod of a namespace: lookupEnv
// and readFile read from that pod. It does not read the pod's kubeconfig, if there is one.
func (o *Options) CompleteInPod(namespace string, lookupEnv LookupEnv, readFile ReadFile) error {
	err := o.completeSettings(lookupEnv, readFile)
	if o.LeaderElection.Enabled {
		o.LeaderElection.Namespace = cmp.Or(o.LeaderElection.Namespace, o.PodNamespace, namespace)
	}
	return err
}

// completeSettings is the common part of both.
func (o *Options) completeSettings(lookupEnv LookupEnv, readFile ReadFile) error {
	o.PodNamespace, _ = lookupEnv("POD_NAMESPACE")
	if list, found := lookupEnv("KUBECONFIG"); found {
		o.kubeconfigList = splitPathList(list)
	}
	err := o.mergeConfigFile(readFile)
	o.completeAliases()
	return err
}

// completeAliases applies the flags that are aliases of a setting.
func (o *Options) completeAliases() {
	if o.changed("max-concurrent-reconciles") {
		o.Concurrency = o.maxConcurrentReconciles
		o.origin["concurrency"] = "--max-concurrent-reconciles"
	}
	if o.clusterConcurrency != 0 {
		o.Concurrency = o.clusterConcurrency
		o.origin["concurrency"] = "--cluster-concurrency"
	}
	if o.metricsBindAddress != "" {
		// As in Cluster API while it still had this flag: plain metrics there, and no protected ones.
		o.DiagnosticsAddress, o.InsecureDiagnostics = o.metricsBindAddress, true
		o.origin["diagnostics-address"] = "--metrics-bind-addr"
	}
	if o.syncs() && between(o.syncPeriod, minReconcilePeriod, maxReconcilePeriod) { // else Validate reports it, once
		o.ReconcilePeriod = o.syncPeriod
		o.origin["reconcile-period"] = "--sync-period"
	}
	if o.verbosity >= verboseDebug {
		// logr's V(n) is slog's level -n, so that --v=6 lets client-go's V(6) lines through.
		o.LogLevel = min(o.LogLevel, slog.Level(-o.verbosity))
	}
	if o.changed("leader-election-id") {
		o.splitLeaderElectionID()
	}
}

// splitLeaderElectionID splits NAMESPACE/NAME, which cluster-api-operator writes into --leader-election-id.
func (o *Options) splitLeaderElectionID() {
	namespace, name, found := strings.Cut(o.leaderElectionID, "/")
	if !found {
		o.LeaderElection.ID = o.leaderElectionID
		return
	}
	o.LeaderElection.ID = name
	if !o.changed("leader-election-namespace") {
		o.LeaderElection.Namespace = namespace
		o.origin["leader-election-namespace"] = "--leader-election-id"
	}
}

// changed reports whether a flag was given.
func (o *Options) changed(flag string) bool {
	return o.flags != nil && o.flags.Changed(flag)
}

// syncs reports whether --sync-period sets the reconcile period; 0 leaves it to the others.
func (o *Options) syncs() bool {
	return o.syncPeriod != 0 && !o.changed("reconcile-period")
}

// byFlag reports whether a setting was given as a flag, by its own name or an alias.
func (o *Options) byFlag(flag string) bool {
	return o.changed(flag) || flag == "reconcile-period" && o.syncs()
}

// where returns where the user set a value: the flag, or the key and file.
func (o *Options) where(flag string) string {
	if origin := o.origin[flag]; origin != "" {
		return origin
	}
	return "--" + flag
}
