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

	"k8s.io/apimachinery/pkg/util/validation"
)

// The bounds of values. They exclude mistakes (10ns, 10000h), not preferences.
const (
	minRetryInterval   = 100 * time.Millisecond
	minProbeTimeout    = 50 * time.Millisecond
	maxProbeTimeout    = 30 * time.Second
	maxRetryInterval   = time.Hour
	minReconcilePeriod = time.Second
	maxReconcilePeriod = 24 * time.Hour
	maxConcurrency     = 1000
	maxKubeAPIRate     = 100_000
	maxLeaderTiming    = time.Hour
	maxPort            = 65535
	// minLeaseDuration is 1s because a Lease counts in whole seconds.
	minLeaseDuration = time.Second
	minLeaderTiming  = 10 * time.Millisecond
	// retryJitter is client-go's JitterFactor: pauses between attempts are up to this much longer.
	retryJitter = 1.2
)

// ErrInvalidOptions is wrapped by every error of Validate.
var ErrInvalidOptions = errors.New("invalid options")

// ValueError says why a value was refused.
type ValueError struct {
	// Where is the flag, or the key and file, that the value came from, e.g. "--default-port".
	Where string
	// Value is the value as it was written.
	Value string
	// Accepts says what would have been accepted.
	Accepts string
}

// Error returns all three in one line.
func (p ValueError) Error() string {
	return fmt.Sprintf("%s: %q is refused, accepted is %s", p.Where, p.Value, p.Accepts)
}

// Validate checks every value and returns all refusals, joined and wrapped with ErrInvalidOptions, or nil. Each is a
// ValueError with the flag or the key and file, the value, and what is accepted. Call it after Complete.
func (o *Options) Validate() error {
	problems := append([]error{}, o.fileProblems...)
	for _, s := range o.settings() {
		if raw, found := o.refused[s.flag]; found {
			problems = append(problems, ValueError{Where: o.where(s.flag), Value: raw, Accepts: s.accepts})
		} else if s.wrong {
			problems = append(problems, ValueError{Where: o.where(s.flag), Value: s.value.String(), Accepts: s.accepts})
		}
	}
	problems = append(problems, o.crossProblems()...)
	if len(problems) == 0 {
		return nil
	}
	return fmt.Errorf("%w:\n%w", ErrInvalidOptions, errors.Join(problems...))
}

// crossProblems checks values against each other. The rules are those of client-go's NewLeaderElector.
func (o *Options) crossProblems() []error {
	problems := o.extensionProblems()
	if !between(o.Concurrency, 1, maxConcurrency) {
		problems = append(problems, ValueError{
			Where: o.where("concurrency"), Value: strconv.Itoa(o.Concurrency), Accepts: acceptsConcurrency,
		})
	}
	le := o.LeaderElection
	if !le.Enabled {
		return problems
	}
	if le.RenewDeadline >= le.LeaseDuration {
		problems = append(problems, ValueError{
			Where: "--leader-elect-renew-deadline", Value: le.RenewDeadline.String(),
			Accepts: fmt.Sprintf(
				"less than --leader-elect-lease-duration=%s: the difference is the time to finish work in hand",
				le.LeaseDuration,
			),
		})
	}
	if float64(le.RetryPeriod)*retryJitter >= float64(le.RenewDeadline) {
		problems = append(problems, ValueError{
			Where: "--leader-elect-retry-period", Value: le.RetryPeriod.String(),
			Accepts: fmt.Sprintf("less than --leader-elect-renew-deadline=%s divided by %v",
				le.RenewDeadline, retryJitter),
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

// extensionProblems checks what the runtime extension needs.
func (o *Options) extensionProblems() []error {
	if !o.RuntimeExtension.Enabled {
		return nil
	}
	var problems []error
	if o.Webhook.Port == 0 {
		problems = append(problems, ValueError{
			Where: o.where("webhook-port"), Value: "0",
			Accepts: "a port from 1 to 65535: the runtime extension is served there",
		})
	}
	if o.RuntimeExtension.URL == "" && o.PodNamespace == "" {
		problems = append(problems, ValueError{
			Where: "--" + runtimeExtensionURLFlag, Value: "",
			Accepts: "outside of a pod, where $POD_NAMESPACE names none, " +
				"the URL by which Cluster API reaches this machine",
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

// isHTTPS reports whether Cluster API accepts the URL for an extension.
func isHTTPS(raw string) bool {
	parsed, err := url.Parse(raw)
	return err == nil && parsed.Scheme == "https" && parsed.Hostname() != "" && parsed.User == nil &&
		parsed.RawQuery == "" && parsed.Fragment == ""
}

// isAddress reports whether a server can be bound to the address, or it means "off", as in Cluster API.
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

// IsOff reports whether an address switches its server off. "0" is controller-runtime's way to do so.
func IsOff(address string) bool { return address == "" || address == "0" }
