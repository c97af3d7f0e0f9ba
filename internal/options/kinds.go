package options

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"
)

// inCluster are the kinds of the in-cluster provider, in any version. The allocator always uses them and reads them
// in full; as another provider's kinds it would read only their metadata, and see each pool twice.
var inCluster = []schema.GroupKind{
	{Group: "ipam.cluster.x-k8s.io", Kind: "InClusterIPPool"},
	{Group: "ipam.cluster.x-k8s.io", Kind: "GlobalInClusterIPPool"},
}

var errTwice = errors.New("is in use already; name each kind once, in one version")

// parseKinds parses GROUP/VERSION/KIND, separated by commas, each kind once.
func parseKinds(raw string) ([]schema.GroupVersionKind, error) {
	var kinds []schema.GroupVersionKind
	for entry := range strings.SplitSeq(raw, ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		parts := strings.Split(entry, "/")
		if len(parts) != 3 || !named(parts) {
			return nil, fmt.Errorf("%q is not GROUP/VERSION/KIND", entry)
		}
		kind := schema.GroupVersionKind{Group: parts[0], Version: parts[1], Kind: parts[2]}
		same := func(other schema.GroupVersionKind) bool { return other.GroupKind() == kind.GroupKind() }
		if slices.Contains(inCluster, kind.GroupKind()) || slices.ContainsFunc(kinds, same) {
			return nil, fmt.Errorf("%q %w", entry, errTwice)
		}
		kinds = append(kinds, kind)
	}
	return kinds, nil
}

// FormatKinds formats kinds the way parseKinds parses them.
func FormatKinds(kinds []schema.GroupVersionKind) string {
	texts := make([]string, len(kinds))
	for i, kind := range kinds {
		texts[i] = kind.GroupVersion().String() + "/" + kind.Kind
	}
	return strings.Join(texts, ",")
}

// named reports whether Kubernetes allows the names of the group, version and kind.
func named(parts []string) bool {
	return len(validation.IsDNS1123Subdomain(parts[0])) == 0 && len(validation.IsDNS1123Label(parts[1])) == 0 &&
		len(validation.IsDNS1035Label(strings.ToLower(parts[2]))) == 0
}
