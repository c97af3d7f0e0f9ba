package options

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/validation"
)

// setting is one row of the table: everything about one option.
type setting struct {
	// flag is its name, short its one-letter form.
	flag, short string
	// key is its name in the config file, if it can be set there; text converts the file's value to the flag's text.
	key  string
	text func(json.RawMessage) (string, error)
	// bare says that it has no default to show, because it is an alias of a setting.
	bare  bool
	value pflag.Value
	usage string
	// wrong says that its current value is refused; accepts says what is accepted.
	wrong   bool
	accepts string
}

// settings returns the table of all options, with their current values.
func (o *Options) settings() []setting {
	return slices.Concat(
		o.programSettings(), o.fileSettings(), o.kubeSettings(), o.logSettings(), o.serverSettings(),
		o.leaderSettings(),
	)
}

// programSettings returns those of the program itself.
func (o *Options) programSettings() []setting {
	return []setting{
		{
			flag: "config", value: o.textValue("config", &o.ConfigFile),
			usage: "Path of the config file. Flags win over what it says.",
		},
		{
			flag: "version", value: o.boolValue("version", &o.ShowVersion),
			usage:   "Print the version and exit.",
			accepts: acceptsBool,
		},
	}
}

// fileSettings returns those that can also be set in the config file.
func (o *Options) fileSettings() []setting {
	return []setting{
		{
			flag: "retry-interval", key: "retryInterval", text: scalar,
			value:   o.durationValue("retry-interval", &o.RetryInterval),
			usage:   "How soon a Cluster that waits for an address is looked at again.",
			wrong:   !between(o.RetryInterval, minRetryInterval, maxRetryInterval),
			accepts: acceptsDuration(minRetryInterval, maxRetryInterval),
		},
		{
			flag: "reconcile-period", key: "reconcilePeriod", text: scalar,
			value:   o.durationValue("reconcile-period", &o.ReconcilePeriod),
			usage:   "How often every Cluster is looked at although nothing seems to have changed.",
			wrong:   !between(o.ReconcilePeriod, minReconcilePeriod, maxReconcilePeriod),
			accepts: acceptsDuration(minReconcilePeriod, maxReconcilePeriod),
		},
		{
			flag: "probe-timeout", key: "probeTimeout", text: scalar,
			value:   o.durationValue("probe-timeout", &o.ProbeTimeout),
			usage:   "How long an address that is probed before its first write may take to answer.",
			wrong:   !between(o.ProbeTimeout, minProbeTimeout, maxProbeTimeout),
			accepts: acceptsDuration(minProbeTimeout, maxProbeTimeout),
		},
		{
			flag: "default-port", key: "defaultPort", text: scalar, value: o.int32Value("default-port", &o.DefaultPort),
			usage:   "Port of the control-plane endpoint where a Cluster has none.",
			wrong:   !between(o.DefaultPort, 1, maxPort),
			accepts: "a port from 1 to 65535",
		},
		{
			flag: "base-domain", key: "baseDomain", text: scalar, value: o.textValue("base-domain", &o.BaseDomain),
			usage:   "DNS domain below which Clusters are named; empty for none.",
			wrong:   o.BaseDomain != "" && !isSubdomain(o.BaseDomain),
			accepts: "a DNS name in lower case such as clusters.example.com, or nothing",
		},
		{
			flag: dnsNamesFlag, key: "dnsNames", text: dnsNamesText,
			value: o.dnsNamesValue(),
			usage: "Patterns of DNS names as ROLE=PATTERN separated by commas, with {cluster}, {namespace} and " +
				"{baseDomain}.",
			accepts: acceptsDNSNames,
		},
		{
			flag: runtimeExtensionFlag, key: "runtimeExtension", text: boolText,
			value: o.boolValue(runtimeExtensionFlag, &o.RuntimeExtension.Enabled),
			usage: "Serve Cluster API's runtime hooks on --webhook-port and register them; needs Cluster API's " +
				"feature gate RuntimeSDK.",
			accepts: acceptsBool,
		},
		{
			flag: poolKindsFlag, key: "poolKinds", text: poolKindsText,
			value: o.poolKindsValue(&o.PoolKinds),
			usage: "Pool kinds of other IPAM providers, as GROUP/VERSION/KIND separated by commas; they must keep " +
				"Cluster API's IPAM contract.",
			accepts: acceptsPoolKinds,
		},
	}
}

// kubeSettings returns those that say which Clusters are reconciled, where and how fast.
func (o *Options) kubeSettings() []setting {
	return []setting{
		{
			flag: "kubeconfig", value: o.textValue("kubeconfig", &o.Kubeconfig),
			usage: "Path of a kubeconfig. Without it $KUBECONFIG counts, else the pod's service account.",
		},
		{
			flag: "kube-api-qps", value: o.floatValue("kube-api-qps", &o.KubeAPIQPS),
			usage: "Requests to the API server per second, sustained.",
			// This way round so that NaN is refused too.
			wrong:   !(o.KubeAPIQPS > 0 && o.KubeAPIQPS <= maxKubeAPIRate),
			accepts: "a number above 0, up to 100000",
		},
		{
			flag: "kube-api-burst", value: o.intValue("kube-api-burst", &o.KubeAPIBurst),
			usage:   "Requests to the API server that may be made at once beyond --kube-api-qps.",
			wrong:   !between(o.KubeAPIBurst, 1, maxKubeAPIRate),
			accepts: "a whole number from 1 to 100000",
		},
		{
			flag: "namespace", value: o.textValue("namespace", &o.Namespace),
			usage:   "Look only at Clusters of this namespace. Empty means all.",
			wrong:   o.Namespace != "" && !isLabel(o.Namespace),
			accepts: "the name of one namespace, or nothing for all",
		},
		{
			flag: "watch-filter", value: o.textValue("watch-filter", &o.WatchFilter),
			usage:   "Look only at Clusters whose label cluster.x-k8s.io/watch-filter has this value. Empty means all.",
			wrong:   len(validation.IsValidLabelValue(o.WatchFilter)) > 0,
			accepts: "a label value: at most 63 letters, digits, '-', '_' or '.'",
		},
		{
			flag:    "max-concurrent-reconciles",
			value:   o.intValue("max-concurrent-reconciles", &o.maxConcurrentReconciles),
			usage:   "How many Clusters are worked on at once.",
			accepts: acceptsConcurrency,
		},
		{
			flag: clusterConcurrencyFlag, value: o.intValue(clusterConcurrencyFlag, &o.clusterConcurrency),
			usage: "The same as --max-concurrent-reconciles, and wins over it; 0 leaves it to that. The flag of any " +
				"other kind (--machine-concurrency) is accepted and ignored.",
			accepts: acceptsConcurrency,
		},
		{
			flag: "sync-period", bare: true, value: o.durationValue("sync-period", &o.syncPeriod),
			usage: "Another name of --reconcile-period, for Cluster API's sake. It wins over the config file; where " +
				"both flags are given, it does not count.",
			wrong:   o.syncPeriod != 0 && !between(o.syncPeriod, minReconcilePeriod, maxReconcilePeriod),
			accepts: acceptsDuration(minReconcilePeriod, maxReconcilePeriod),
		},
		{
			flag: "feature-gates", value: o.gatesValue("feature-gates", &o.FeatureGates),
			usage:   "Comma-separated list of name=true|false. Unknown names are warned about and ignored.",
			accepts: "a comma-separated list of name=true and name=false",
		},
	}
}

// logSettings returns those that say what is logged.
func (o *Options) logSettings() []setting {
	return []setting{
		{
			flag: "log-level", value: o.levelValue("log-level", &o.LogLevel),
			usage:   "Least severe level that is logged: debug, info, warn or error.",
			accepts: "debug, info, warn or error",
		},
		{
			flag: "log-format", value: o.formatValue("log-format", &o.LogFormat),
			usage:   "How log lines are written: json or text.",
			wrong:   o.LogFormat != LogJSON && o.LogFormat != LogText,
			accepts: "json or text",
		},
		{
			flag: "v", short: "v", value: o.intValue("v", &o.verbosity),
			usage: fmt.Sprintf("Verbosity as in other Kubernetes programs: %d and more means at least "+
				"--log-level=debug, higher numbers show more of client-go.", verboseDebug),
			wrong:   !between(o.verbosity, 0, maxVerbosity),
			accepts: fmt.Sprintf("a whole number from 0 to %d", maxVerbosity),
		},
	}
}
