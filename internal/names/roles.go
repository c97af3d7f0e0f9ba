package names

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// The roles with a meaning of their own. Any other role is served through its annotation alone.
const (
	// RoleControlPlane is written to spec.controlPlaneEndpoint as well as to its annotation.
	RoleControlPlane = "control-plane"

	// RoleIngress is the role of the ingress VIP.
	RoleIngress = "ingress"
)

// reserved are the keys of the domain that mean something else, so that no role can use them.
var reserved = []string{
	"cluster-class", "role", "priority", "namespaces", "clusters", "variables", "probe", "addresses-per-cluster",
	"host-variable", "port-variable", "topology-gate", "release", "allow-deletion", "claims",
}

// ValidateRole says why role cannot be used, or returns nil. A role becomes part of an annotation key, of a claim's
// name and of a condition's type, so it is a DNS label (RFC 1123) that starts with a letter.
func ValidateRole(role string) error {
	if errs := validation.IsDNS1035Label(role); len(errs) > 0 {
		return fmt.Errorf("role %q is not a lower-case DNS label that starts with a letter", role)
	}
	if slices.Contains(reserved, role) {
		return fmt.Errorf("role %q is reserved: %s/%s has another meaning", role, Domain, role)
	}
	return nil
}

// DNSEndpointName returns the name of the object that holds the DNS records of a Cluster, in its namespace.
func DNSEndpointName(cluster string) string { return ClaimName(cluster, "dns") }

// ValidateDNSName says why name cannot be a DNS name, or returns nil: labels of a-z, 0-9 and - with 63 characters each
// and 253 in all (RFC 1035), the first of which may be a star.
func ValidateDNSName(name string) error {
	for label := range strings.SplitSeq(strings.TrimPrefix(name, "*."), ".") {
		if len(validation.IsDNS1123Label(label)) > 0 {
			return fmt.Errorf("%q is no DNS name: %q is empty, longer than %d characters, "+
				"or has others than a-z, 0-9 and -",
				name, label, validation.DNS1123LabelMaxLength)
		}
	}
	if len(name) > validation.DNS1123SubdomainMaxLength {
		return fmt.Errorf("%q is longer than %d characters", name, validation.DNS1123SubdomainMaxLength)
	}
	return nil
}

// Annotation returns the key of the Cluster annotation that carries the VIP of role.
func Annotation(role string) string {
	return Domain + "/" + role
}

// RoleOfAnnotation returns the role whose VIP the annotation key carries, and whether it carries one.
func RoleOfAnnotation(key string) (string, bool) {
	role, ok := strings.CutPrefix(key, Domain+"/")
	return role, ok && ValidateRole(role) == nil
}

// ConditionType returns the type of the condition that reports on role: "ControlPlaneVIPReady" for "control-plane".
// A dash stays where dropping it would give two roles one type: "ingress-2" and "ingress2".
func ConditionType(role string) string {
	var b strings.Builder
	for i, word := range strings.Split(role, "-") {
		if word == "" {
			b.WriteByte('-')
			continue
		}
		if i > 0 && word[0] <= '9' {
			b.WriteByte('-')
		}
		b.WriteString(strings.ToUpper(word[:1]))
		b.WriteString(word[1:])
	}
	b.WriteString(conditionSuffix)
	return b.String()
}

// IsConditionType reports whether a condition type is one of the allocator's.
func IsConditionType(conditionType string) bool {
	return strings.HasSuffix(conditionType, conditionSuffix) && conditionType != conditionSuffix
}

const conditionSuffix = "VIPReady"

// shortControlPlane stands for the role control-plane in claim names.
const shortControlPlane = "cp"

// ClaimName returns the name of the claim for a Cluster and a slot: vip-cp-<cluster> for the control plane,
// vip-<role>-<cluster> for the first address of another role, and vip-<number>-<role>-<cluster> for its further ones.
// No role begins with a digit, so the further ones of a Cluster "prod" never collide with the first one of a Cluster
// "prod-2". A name that would exceed the limit of an object name, or that another role's name would collide with (a
// role called "cp"), is shortened and made unique with a hash, always the same for the same input.
func ClaimName(cluster, slot string) string {
	role, number, further := strings.Cut(slot, slotSeparator)
	short := role
	if role == RoleControlPlane {
		short = shortControlPlane
	}
	if further {
		short = number + "-" + short
	}
	name := claimPrefix + short + "-" + cluster
	if len(name) <= validation.DNS1123SubdomainMaxLength && role != shortControlPlane {
		return name
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(slot + "/" + cluster)) // a hash.Hash never returns an error
	suffix := "-" + hex.EncodeToString(h.Sum(nil))
	if limit := validation.DNS1123SubdomainMaxLength - len(suffix); len(name) > limit {
		name = strings.TrimRight(name[:limit], "-.")
	}
	return name + suffix
}

// LabelValue returns the value of the cluster-name label for a Cluster's name: the name itself where it is a valid
// label value, else the hash that Cluster API uses in its place (sigs.k8s.io/cluster-api/util/labels/format).
func LabelValue(cluster string) string {
	if len(validation.IsValidLabelValue(cluster)) == 0 {
		return cluster
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(cluster)) // a hash.Hash never returns an error
	return fmt.Sprintf("hash_%s_z", base64.RawURLEncoding.EncodeToString(h.Sum(nil)))
}
