package options

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/validate/content"
	"k8s.io/apimachinery/pkg/util/validation"
)

// The bounds of values. They shut out slips (10ns, 10000h), not tastes.
const (
	minRetryInterval   = 100 * time.Millisecond
	maxRetryInterval   = time.Hour
	minReconcilePeriod = time.Second
	maxReconcilePeriod = 24 * time.Hour
	maxConcurrency     = 1000
	maxKubeAPIRate     = 100_000
	maxLeaderTiming    = time.Hour
	maxPort            = 65535
	// minLeaseDuration: a Lease counts in whole seconds.
	minLeaseDuration = time.Second
	minLeaderTiming  = 10 * time.Millisecond
	// retryJitter is client-go's JitterFactor: pauses between attempts are up to this much longer.
	retryJitter = 1.2
)

// ErrInvalidOptions is what every error of Validate wraps.
var ErrInvalidOptions = errors.New("invalid options")

// ValueError is one refused value.
type ValueError struct {
	// Where is the flag or the key and file that the value came from, e.g. "--default-port".
	Where string
	// Value is the value as it was written.
	Value string
	// Accepts says what would have been accepted.
	Accepts string
}

// Error says all three in one line.
func (p ValueError) Error() string {
	return fmt.Sprintf("%s: %q is refused, accepted is %s", p.Where, p.Value, p.Accepts)
}

// rule is one line of the table of what is accepted.
type rule struct {
	flag    string
	value   any
	ok      bool
	accepts string
}

// Validate checks every value and returns all refusals joined below ErrInvalidOptions, or nil. Each is a ValueError
// that names the flag or the key with its file, the value, and what is accepted. Call it after Complete.
func (o *Options) Validate() error {
	problems := append([]error{}, o.fileProblems...)
	for _, r := range o.rules() {
		if raw, found := o.refused[r.flag]; found {
			problems = append(problems, ValueError{Where: o.where(r.flag), Value: raw, Accepts: r.accepts})
		} else if !r.ok {
			problems = append(problems, ValueError{Where: o.where(r.flag), Value: fmt.Sprint(r.value), Accepts: r.accepts})
		}
	}
	problems = append(problems, o.crossProblems()...)
	if len(problems) == 0 {
		return nil
	}
	return fmt.Errorf("%w:\n%w", ErrInvalidOptions, errors.Join(problems...))
}

func (o *Options) rules() []rule {
	rules := []rule{
		{"retry-interval", o.RetryInterval, between(o.RetryInterval, minRetryInterval, maxRetryInterval), acceptsDuration(minRetryInterval, maxRetryInterval)},
		{"reconcile-period", o.ReconcilePeriod, between(o.ReconcilePeriod, minReconcilePeriod, maxReconcilePeriod), acceptsDuration(minReconcilePeriod, maxReconcilePeriod)},
		{"sync-period", o.syncPeriod, o.syncPeriod == 0 || between(o.syncPeriod, minReconcilePeriod, maxReconcilePeriod), acceptsDuration(minReconcilePeriod, maxReconcilePeriod)},
		{"default-port", o.DefaultPort, between(o.DefaultPort, 1, maxPort), "a port from 1 to 65535"},
		{"base-domain", o.BaseDomain, o.BaseDomain == "" || isSubdomain(o.BaseDomain), "a DNS name in lower case such as clusters.example.com, or nothing"},
		{poolKindsFlag, "", true, acceptsPoolKinds},
		{dnsNamesFlag, "", true, acceptsDNSNames},
		{"kube-api-qps", o.KubeAPIQPS, o.KubeAPIQPS > 0 && o.KubeAPIQPS <= maxKubeAPIRate, "a number above 0, up to 100000"},
		{"kube-api-burst", o.KubeAPIBurst, between(o.KubeAPIBurst, 1, maxKubeAPIRate), "a whole number from 1 to 100000"},
		{"namespace", o.Namespace, o.Namespace == "" || isLabel(o.Namespace), "the name of one namespace, or nothing for all"},
		{"watch-filter", o.WatchFilter, len(validation.IsValidLabelValue(o.WatchFilter)) == 0, "a label value: at most 63 letters, digits, '-', '_' or '.'"},
		{"concurrency", o.Concurrency, between(o.Concurrency, 1, maxConcurrency), acceptsConcurrency},
		{"max-concurrent-reconciles", "", true, acceptsConcurrency},
		{"cluster-concurrency", "", true, acceptsConcurrency},
		{"log-level", o.LogLevel, true, "debug, info, warn or error"},
		{"log-format", o.LogFormat, o.LogFormat == LogJSON || o.LogFormat == LogText, "json or text"},
		{"v", o.verbosity, between(o.verbosity, 0, maxVerbosity), fmt.Sprintf("a whole number from 0 to %d", maxVerbosity)},
		{"health-addr", o.HealthAddress, isAddress(o.HealthAddress), acceptsAddress},
		{"diagnostics-address", o.DiagnosticsAddress, isAddress(o.DiagnosticsAddress), acceptsAddress},
		{"profiler-address", o.ProfilerAddress, isAddress(o.ProfilerAddress), acceptsAddress},
		{"insecure-diagnostics", o.InsecureDiagnostics, true, acceptsBool},
		{"webhook-host", o.Webhook.Host, o.Webhook.Host == "" || isHost(o.Webhook.Host), "an IP address, a host name, or nothing for every interface"},
		{"webhook-port", o.Webhook.Port, between(o.Webhook.Port, 0, maxPort), "a port from 1 to 65535, or 0 for none"},
		{runtimeExtensionFlag, o.RuntimeExtension.Enabled, true, acceptsBool},
		{runtimeExtensionURLFlag, o.RuntimeExtension.URL, o.RuntimeExtension.URL == "" || isHTTPS(o.RuntimeExtension.URL), "a URL such as https://10.0.0.1:9443, without query, fragment and user"},
		{RuntimeExtensionOwnerFlag, o.RuntimeExtension.Owner, o.RuntimeExtension.Owner != "" && len(content.IsPathSegmentName(o.RuntimeExtension.Owner)) == 0, "the name of a ClusterRole"},
		{"feature-gates", "", true, "a comma-separated list of name=true and name=false"},
		{"leader-elect", o.LeaderElection.Enabled, true, acceptsBool},
		{"version", o.ShowVersion, true, acceptsBool},
	}
	return append(rules, o.leaderRules()...)
}

// leaderRules: what is not used is not judged, but text that cannot be understood is refused all the same.
func (o *Options) leaderRules() []rule {
	le, off := o.LeaderElection, !o.LeaderElection.Enabled
	return []rule{
		{"leader-election-id", o.LeaderElection.ID, off || isSubdomain(le.ID), "the name of a Lease, or NAMESPACE/NAME"},
		{"leader-election-namespace", le.Namespace, off || isLabel(le.Namespace), "a namespace; outside of a pod it must be given, or use --leader-elect=false"},
		{"leader-elect-lease-duration", le.LeaseDuration, off || between(le.LeaseDuration, minLeaseDuration, maxLeaderTiming), acceptsDuration(minLeaseDuration, maxLeaderTiming)},
		{"leader-elect-renew-deadline", le.RenewDeadline, off || between(le.RenewDeadline, minLeaderTiming, maxLeaderTiming), acceptsDuration(minLeaderTiming, maxLeaderTiming)},
		{"leader-elect-retry-period", le.RetryPeriod, off || between(le.RetryPeriod, minLeaderTiming, maxLeaderTiming), acceptsDuration(minLeaderTiming, maxLeaderTiming)},
	}
}

// crossProblems judges values against each other. The rules are those of client-go's NewLeaderElector.
func (o *Options) crossProblems() []error {
	problems := o.extensionProblems()
	le := o.LeaderElection
	if !le.Enabled {
		return problems
	}
	if le.RenewDeadline >= le.LeaseDuration {
		problems = append(problems, ValueError{
			Where: "--leader-elect-renew-deadline", Value: le.RenewDeadline.String(),
			Accepts: fmt.Sprintf("less than --leader-elect-lease-duration=%s: the difference is the time to finish work in hand", le.LeaseDuration),
		})
	}
	if float64(le.RetryPeriod)*retryJitter >= float64(le.RenewDeadline) {
		problems = append(problems, ValueError{
			Where: "--leader-elect-retry-period", Value: le.RetryPeriod.String(),
			Accepts: fmt.Sprintf("less than --leader-elect-renew-deadline=%s divided by %v", le.RenewDeadline, retryJitter),
		})
	}
	if id, given := strings.CutSuffix(o.leaderElectionID, "/"+le.ID); given && id != le.Namespace {
		problems = append(problems, ValueError{
			Where: "--leader-election-id", Value: o.leaderElectionID,
			Accepts: fmt.Sprintf("the namespace that --leader-election-namespace=%s names, or none", le.Namespace),
		})
	}
	return problems
}

// extensionProblems judges what the runtime extension needs.
func (o *Options) extensionProblems() []error {
	if !o.RuntimeExtension.Enabled {
		return nil
	}
	var problems []error
	if o.Webhook.Port == 0 {
		problems = append(problems, ValueError{Where: o.where("webhook-port"), Value: "0", Accepts: "a port from 1 to 65535: the runtime extension is served there"})
	}
	if o.RuntimeExtension.URL == "" && o.PodNamespace == "" {
		problems = append(problems, ValueError{
			Where: "--" + runtimeExtensionURLFlag, Value: "",
			Accepts: "outside of a pod, where $POD_NAMESPACE names none, the URL by which Cluster API reaches this machine",
		})
	}
	return problems
}

const (
	acceptsAddress     = `HOST:PORT or :PORT with a port from 0 (any free one) to 65535, or "0" for off`
	acceptsBool        = "true or false"
	acceptsConcurrency = "a whole number from 1 to 1000"
)

func acceptsDuration(low, high time.Duration) string {
	return fmt.Sprintf("a duration such as 10s or 1m30s, from %s to %s", low, high)
}

func between[T int | int32 | time.Duration](value, low, high T) bool {
	return value >= low && value <= high
}

func isSubdomain(name string) bool { return len(validation.IsDNS1123Subdomain(name)) == 0 }

func isLabel(name string) bool { return len(validation.IsDNS1123Label(name)) == 0 }

func isHost(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil || isSubdomain(strings.ToLower(host))
}

// isHTTPS accepts what Cluster API accepts as the URL of an extension.
func isHTTPS(raw string) bool {
	parsed, err := url.Parse(raw)
	return err == nil && parsed.Scheme == "https" && parsed.Hostname() != "" && parsed.User == nil && parsed.RawQuery == "" && parsed.Fragment == ""
}

// isAddress accepts what a server can be bound to and the two ways of saying "off", as in Cluster API.
func isAddress(address string) bool {
	if IsOff(address) {
		return true
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	number, err := strconv.ParseUint(port, 10, 16)
	return err == nil && number <= maxPort && (host == "" || isHost(host))
}

// IsOff says whether an address switches its server off. "0" is controller-runtime's way of saying it.
func IsOff(address string) bool { return address == "" || address == "0" }
