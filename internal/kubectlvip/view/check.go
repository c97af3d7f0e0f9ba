package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// Severity says how bad a finding is.
type Severity string

// The severities, worst first.
const (
	// SeverityError is what keeps a Cluster from its VIP, or may give one address to two.
	SeverityError Severity = "error"
	// SeverityWarning is what does no harm yet.
	SeverityWarning Severity = "warning"
	// SeveritySkipped is a check that could not run.
	SeveritySkipped Severity = "skipped"
)

// Finding is something that someone should look at.
type Finding struct {
	Severity Severity `json:"severity"`
	// Check is the check that found it, one of CheckNames.
	Check string `json:"check"`
	// Object names what it is about, as Kind/name with the namespace before it; empty if it is about nothing in
	// particular.
	Object  string `json:"object,omitempty"`
	Message string `json:"message"`
	// Do says what to do about it.
	Do string `json:"do,omitempty"`
}

// Report is the outcome of all checks.
type Report struct {
	Platform Platform  `json:"platform"`
	Operator Operator  `json:"operator"`
	Findings []Finding `json:"findings"`
	// Passed are the checks that found nothing.
	Passed []string `json:"passed"`
}

// Count returns how many findings are of a severity.
func (r *Report) Count(severity Severity) int {
	n := 0
	for _, finding := range r.Findings {
		if finding.Severity == severity {
			n++
		}
	}
	return n
}

// Permission is a permission that the operator needs, and whether it has it.
type Permission struct {
	// What is the verb and resource, as in "patch clusters.cluster.x-k8s.io".
	What    string
	Allowed bool
}

// Permissions are those of the operator. Skipped says why they could not be checked; empty if they could.
type Permissions struct {
	Permissions []Permission
	Skipped     string
}

// check is one check.
type check struct {
	name string
	// about says briefly what the check looks at, for the documentation.
	about string
	run   func(f *Facts, p *Permissions) []Finding
}

func checks() []check {
	return []check{
		{
			"apis", "the kinds of Cluster API and of the in-cluster IPAM provider are served, " +
				"in a version that the operator can use", checkAPIs,
		},
		{"operator", "the operator is installed once and runs", checkOperator},
		{"versions", "operator and plugin are of the same release", checkVersions},
		{"rbac", "the operator's service account may do all that it has to", checkPermissions},
		{"access", "everything that the other checks rest on can be read", checkAccess},
		{
			"pool-config", "the labels and annotations of pools can be understood, and say both class and role",
			checkPoolConfig,
		},
		{"pool-class", "the ClusterClasses that pools name exist", checkPoolClass},
		{"pool-capacity", "pools that serve have free addresses", checkPoolCapacity},
		{"claim-pool", "the pools that claims are bound to exist, and are not being deleted", checkClaimPools},
		{"pool-overlap", "no two pools can hand out the same address", checkPoolOverlap},
		{"duplicate-address", "no address is assigned twice, or carried by two Clusters", checkDuplicates},
		{"manual-host", "no pool can hand out an endpoint that was typed by hand", checkManualHosts},
		{"orphaned-claim", "every claim of the allocator belongs to a Cluster that exists", checkOrphans},
		{"orphaned-address", "every IPAddress belongs to a claim that exists", checkOrphanedAddresses},
		{"hold", "no control plane is paused for a VIP for ever", checkHolds},
		{"cluster", "no Cluster waits for a VIP that it cannot get, or waits for long", checkClusters},
	}
}

// CheckNames returns the name of each check and what it looks at, in the order in which they run.
func CheckNames() [][2]string {
	var result [][2]string
	for _, c := range checks() {
		result = append(result, [2]string{c.name, c.about})
	}
	return result
}

// Check runs all checks. If APIs are missing, it runs only those that need none.
func Check(f *Facts, permissions *Permissions) Report {
	report := Report{Platform: f.Platform, Operator: f.Operator, Findings: []Finding{}, Passed: []string{}}
	for i, c := range checks() {
		if len(f.Platform.Missing) > 0 &&
			i >= slices.IndexFunc(checks(), func(c check) bool { return c.name == "access" }) {
			report.Findings = append(report.Findings, Finding{
				Severity: SeveritySkipped, Check: c.name, Message: "it needs the kinds that are missing",
			})
			continue
		}
		found := c.run(f, permissions)
		for _, finding := range found {
			finding.Check = c.name
			report.Findings = append(report.Findings, finding)
		}
		if len(found) == 0 {
			report.Passed = append(report.Passed, c.name)
		}
	}
	order := []Severity{SeverityError, SeverityWarning, SeveritySkipped}
	slices.SortStableFunc(report.Findings, func(a, b Finding) int {
		return cmp.Compare(slices.Index(order, a.Severity), slices.Index(order, b.Severity))
	})
	return report
}

func checkAPIs(f *Facts, _ *Permissions) []Finding {
	var found []Finding
	for _, missing := range f.Platform.Missing {
		found = append(found, Finding{
			Severity: SeverityError, Message: "not served: " + missing,
			Do: "install Cluster API (clusterctl init) and its in-cluster IPAM provider " +
				"(clusterctl init --ipam in-cluster); the operator waits for them",
		})
	}
	return found
}

func checkOperator(f *Facts, _ *Permissions) []Finding {
	var found []Finding
	for _, operator := range f.operators() {
		switch operator.State {
		case OperatorNotRunning:
			found = append(found, Finding{
				Severity: SeverityError, Object: deploymentName(&operator), Message: operator.Says,
				Do: "start it; until then no Cluster gets or gives back a VIP",
			})
		case OperatorUnknown:
			found = append(found, Finding{
				Severity: SeverityWarning, Object: deploymentName(&operator), Message: operator.Says,
			})
		}
		for _, other := range operator.Others {
			found = append(found, Finding{
				Severity: SeverityError, Object: "Deployment " + other,
				Message: "the operator is installed more than once, for the same Clusters",
				Do: "remove one, or give each a --namespace or a --watch-filter of its own: " +
					"two leaders in two namespaces do not see each other's Lease",
			})
		}
	}
	return found
}

func deploymentName(o *Operator) string {
	if o.Deployment == "" {
		return ""
	}
	return "Deployment " + o.Namespace + "/" + o.Deployment
}

func checkVersions(f *Facts, _ *Permissions) []Finding {
	operator, plugin := f.Operator.Version, f.Platform.Plugin
	switch {
	case operator == "":
		return []Finding{{Severity: SeveritySkipped, Message: "the version of the operator is not known"}}
	case !strings.HasPrefix(plugin, "v") || !strings.HasPrefix(operator, "v"):
		return []Finding{{
			Severity: SeveritySkipped,
			Message:  fmt.Sprintf("operator %s and plugin %s are not both releases", operator, plugin),
		}}
	case series(operator) != series(plugin):
		return []Finding{{
			Severity: SeverityWarning,
			Message: fmt.Sprintf("the operator is %s and this plugin %s: they may decide differently",
				operator, plugin),
			Do: "install the plugin of the operator's release",
		}}
	}
	return nil
}

// series returns vMAJOR.MINOR of a version.
func series(version string) string {
	parts := strings.SplitN(version, ".", 3)
	return strings.Join(parts[:min(len(parts), 2)], ".")
}

func checkPermissions(f *Facts, p *Permissions) []Finding {
	if p.Skipped != "" {
		return []Finding{{Severity: SeveritySkipped, Message: p.Skipped}}
	}
	var denied []string
	for _, permission := range p.Permissions {
		if !permission.Allowed {
			denied = append(denied, permission.What)
		}
	}
	if len(denied) == 0 {
		return nil
	}
	return []Finding{{
		Severity: SeverityError, Object: "ServiceAccount " + f.Operator.Namespace + "/" + f.Operator.ServiceAccount,
		Message: "may not " + strings.Join(denied, ", "),
		Do:      "apply the roles of the chart or the release manifests again",
	}}
}

func checkAccess(f *Facts, _ *Permissions) []Finding {
	var found []Finding
	for _, limit := range f.Limits {
		found = append(found, Finding{Severity: SeveritySkipped, Message: limit})
	}
	return found
}

func checkClusters(f *Facts, _ *Permissions) []Finding {
	var found []Finding
	for i := range f.Snapshots {
		s := &f.Snapshots[i]
		judged := judge(s, f.operatorOf(&s.Cluster))
		if judged.heldUp || judged.state == StateDeleting {
			continue
		}
		for _, role := range rolesOf(judged.plan) {
			if role.Ready || idle(&role) {
				continue
			}
			finding := Finding{
				Object:  "Cluster " + s.Cluster.Key().String(),
				Message: role.Role + ": " + role.Reason + ": " + role.Message,
				Do:      "kubectl vip explain -n " + s.Cluster.Namespace + " " + s.Cluster.Name,
			}
			switch role.Reason {
			case names.ReasonAddressConflict, names.ReasonAddressInUse, names.ReasonClaimConflict,
				names.ReasonPoolExhausted, names.ReasonWriteRefused:
				finding.Severity = SeverityError
			case names.ReasonPoolNotFound:
				finding.Severity = SeverityWarning
			default:
				waited := f.Now.Sub(waitsSince(&s.Cluster, role.Role))
				if waited < soon {
					continue // it may be served in a moment
				}
				finding.Severity = SeverityWarning
				finding.Message = role.Role + ": " + role.Reason + " for " + Age(waited) + ": " + role.Message
			}
			found = append(found, finding)
		}
	}
	return found
}

// soon is how long a Cluster may wait before check reports it.
const soon = 2 * time.Minute

// waitsSince returns since when a role has no VIP: since its condition says so, else since the Cluster's creation.
func waitsSince(c *vip.Cluster, role string) time.Time {
	for _, condition := range c.Conditions {
		if condition.Type == names.ConditionType(role) && !condition.True {
			return condition.Since
		}
	}
	return c.Created
}

func checkManualHosts(f *Facts, _ *Permissions) []Finding {
	var found []Finding
	for i := range f.Snapshots {
		for _, warning := range vip.Decide(f.Snapshots[i]).Warnings {
			found = append(found, Finding{
				Severity: SeverityWarning, Object: "Cluster " + f.Snapshots[i].Cluster.Key().String(),
				Message: warning.Message,
			})
		}
	}
	return found
}
