package options

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"
)

// parseKinds reads GROUP/VERSION/KIND, separated by commas. The kinds of the in-cluster provider are always in use.
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
		kinds = append(kinds, schema.GroupVersionKind{Group: parts[0], Version: parts[1], Kind: parts[2]})
	}
	return kinds, nil
}

// FormatKinds writes kinds as parseKinds reads them.
func FormatKinds(kinds []schema.GroupVersionKind) string {
	texts := make([]string, len(kinds))
	for i, kind := range kinds {
		texts[i] = kind.GroupVersion().String() + "/" + kind.Kind
	}
	return strings.Join(texts, ",")
}

// named reports whether group, version and kind are the names that Kubernetes allows.
func named(parts []string) bool {
	return len(validation.IsDNS1123Subdomain(parts[0])) == 0 && len(validation.IsDNS1123Label(parts[1])) == 0 &&
		len(validation.IsDNS1035Label(strings.ToLower(parts[2]))) == 0
}
