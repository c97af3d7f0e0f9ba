package options

import (
	"k8s.io/apimachinery/pkg/api/validate/content"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// serverSettings returns those that say what is served where.
func (o *Options) serverSettings() []setting {
	return []setting{
		{
			flag: "health-addr", value: o.textValue("health-addr", &o.HealthAddress),
			usage:   "Address of /healthz and /readyz. 0 switches them off.",
			wrong:   !isAddress(o.HealthAddress),
			accepts: acceptsAddress,
		},
		{
			flag: "diagnostics-address", value: o.textValue("diagnostics-address", &o.DiagnosticsAddress),
			usage: "Address of /metrics. Unless --insecure-diagnostics is set it is served over TLS, to those who " +
				"may get the nonResourceURL /metrics. 0 switches it off.",
			wrong:   !isAddress(o.DiagnosticsAddress),
			accepts: acceptsAddress,
		},
		{
			flag: "diagnostics-cert-dir", value: o.textValue("diagnostics-cert-dir", &o.DiagnosticsCertDir),
			usage: "Directory with tls.crt and tls.key for --diagnostics-address. Empty means that the operator " +
				"makes its own, which nobody can verify.",
		},
		{
			flag: "insecure-diagnostics", value: o.boolValue("insecure-diagnostics", &o.InsecureDiagnostics),
			usage:   "Serve --diagnostics-address over plain HTTP and to anyone.",
			accepts: acceptsBool,
		},
		{
			flag: "metrics-bind-addr", value: o.textValue("metrics-bind-addr", &o.metricsBindAddress),
			usage: "Deprecated: the same as --diagnostics-address together with --insecure-diagnostics, and wins " +
				"over them.",
		},
		{
			flag: "profiler-address", value: o.textValue("profiler-address", &o.ProfilerAddress),
			usage: "Address of pprof, over plain HTTP and to anyone; off when empty. Use a loopback address such as " +
				"127.0.0.1:6060.",
			wrong:   !isAddress(o.ProfilerAddress),
			accepts: acceptsAddress,
		},
		{
			flag: "webhook-host", value: o.textValue("webhook-host", &o.Webhook.Host),
			usage:   "Address that webhooks and runtime hooks bind to. Empty means every interface.",
			wrong:   o.Webhook.Host != "" && !isHost(o.Webhook.Host),
			accepts: "an IP address, a host name, or nothing for every interface",
		},
		{
			flag: "webhook-port", value: o.intValue("webhook-port", &o.Webhook.Port),
			usage:   "Port that webhooks and runtime hooks bind to.",
			wrong:   !between(o.Webhook.Port, 0, maxPort),
			accepts: "a port from 1 to 65535, or 0 for none",
		},
		{
			flag: "webhook-cert-dir", value: o.textValue("webhook-cert-dir", &o.Webhook.CertDir),
			usage: "Directory with tls.crt and tls.key, and ca.crt if clients need one, for webhooks and runtime " +
				"hooks. Empty means that the operator makes its own.",
		},
		{
			flag: "webhook-client-ca-file", value: o.textValue("webhook-client-ca-file", &o.Webhook.ClientCAFile),
			usage: "File with the CAs (PEM) whose clients alone may call the runtime hooks; it is read at each " +
				"connection. Empty means any client. Cluster API has --runtime-extension-client-cert-file for its" +
				" own from 1.10.5 on.",
		},
		{
			flag: runtimeExtensionURLFlag, value: o.textValue(runtimeExtensionURLFlag, &o.RuntimeExtension.URL),
			usage: "Where Cluster API reaches the runtime hooks, as https://HOST:PORT. Empty means the Service " +
				names.ExtensionObjects + " in $POD_NAMESPACE.",
			wrong:   o.RuntimeExtension.URL != "" && !isHTTPS(o.RuntimeExtension.URL),
			accepts: "a URL such as https://10.0.0.1:9443, without query, fragment and user",
		},
		{
			flag: RuntimeExtensionOwnerFlag, value: o.textValue(RuntimeExtensionOwnerFlag, &o.RuntimeExtension.Owner),
			usage: "ClusterRole that owns the ExtensionConfig: when an uninstall removes it, the ExtensionConfig " +
				"goes too. Without it nothing is registered.",
			wrong:   o.RuntimeExtension.Owner == "" || len(content.IsPathSegmentName(o.RuntimeExtension.Owner)) > 0,
			accepts: "the name of a ClusterRole",
		},
	}
}

// leaderSettings returns those for leader election. Without it their values are not checked, but text that cannot be
// parsed is refused anyway.
func (o *Options) leaderSettings() []setting {
	le := &o.LeaderElection
	return []setting{
		{
			flag: "leader-elect", value: o.boolValue("leader-elect", &le.Enabled),
			usage:   "Compete for a Lease before working, so that several replicas can run.",
			accepts: acceptsBool,
		},
		{
			flag: "leader-election-id", value: o.textValue("leader-election-id", &o.leaderElectionID),
			usage:   "Name of the Lease, or NAMESPACE/NAME.",
			wrong:   le.Enabled && !isSubdomain(le.ID),
			accepts: "the name of a Lease, or NAMESPACE/NAME",
		},
		{
			flag: "leader-election-namespace", value: o.textValue("leader-election-namespace", &le.Namespace),
			usage: "Namespace of the Lease. Without it: the one in --leader-election-id, $POD_NAMESPACE, the " +
				"kubeconfig's, the pod's.",
			wrong:   le.Enabled && !isLabel(le.Namespace),
			accepts: "a namespace; outside of a pod it must be given, or use --leader-elect=false",
		},
		{
			flag:    "leader-elect-lease-duration",
			value:   o.durationValue("leader-elect-lease-duration", &le.LeaseDuration),
			usage:   "How long a standby waits after the last renewal that it saw before it takes over.",
			wrong:   le.Enabled && !between(le.LeaseDuration, minLeaseDuration, maxLeaderTiming),
			accepts: acceptsDuration(minLeaseDuration, maxLeaderTiming),
		},
		{
			flag:  "leader-elect-renew-deadline",
			value: o.durationValue("leader-elect-renew-deadline", &le.RenewDeadline),
			usage: "How long the leader works on without a renewal. What is left until --leader-elect-lease-duration" +
				" is the time to finish work in hand.",
			wrong:   le.Enabled && !between(le.RenewDeadline, minLeaderTiming, maxLeaderTiming),
			accepts: acceptsDuration(minLeaderTiming, maxLeaderTiming),
		},
		{
			flag: "leader-elect-retry-period", value: o.durationValue("leader-elect-retry-period", &le.RetryPeriod),
			usage:   "Pause between two attempts to get or renew the Lease.",
			wrong:   le.Enabled && !between(le.RetryPeriod, minLeaderTiming, maxLeaderTiming),
			accepts: acceptsDuration(minLeaderTiming, maxLeaderTiming),
		},
	}
}
