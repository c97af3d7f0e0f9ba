package operator

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"
)

// poolKindsFlag lists the pool kinds of other IPAM providers.
const poolKindsFlag = "pool-kinds"

// acceptsPoolKinds says how they are written.
const acceptsPoolKinds = "GROUP/VERSION/KIND of pools, separated by commas, such as ipam.example.com/v1/ExamplePool; in the config file a list of apiVersion and kind"

func (o *Options) poolKindsValue(target *[]schema.GroupVersionKind) pflag.Value {
	return newValue(o, poolKindsFlag, "strings", target, parsePoolKinds, formatPoolKinds)
}

// parsePoolKinds reads GROUP/VERSION/KIND, separated by commas. The kinds of the in-cluster provider are always in use.
func parsePoolKinds(raw string) ([]schema.GroupVersionKind, error) {
	var kinds []schema.GroupVersionKind
	for entry := range strings.SplitSeq(raw, ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		parts := strings.Split(entry, "/")
		if len(parts) != 3 || !isSubdomain(parts[0]) || !isLabel(parts[1]) || len(validation.IsDNS1035Label(strings.ToLower(parts[2]))) > 0 {
			return nil, fmt.Errorf("%q is not GROUP/VERSION/KIND", entry)
		}
		kinds = append(kinds, schema.GroupVersionKind{Group: parts[0], Version: parts[1], Kind: parts[2]})
	}
	return kinds, nil
}

func formatPoolKinds(kinds []schema.GroupVersionKind) string {
	texts := make([]string, len(kinds))
	for i, kind := range kinds {
		texts[i] = kind.GroupVersion().String() + "/" + kind.Kind
	}
	return strings.Join(texts, ",")
}

// poolKindsText turns the list of the config file into the text of the flag.
func poolKindsText(raw json.RawMessage) (string, error) {
	var entries []map[string]string
	if err := json.Unmarshal(raw, &entries); err != nil {
		return "", fmt.Errorf("not a list of apiVersion and kind: %w", err)
	}
	texts := make([]string, len(entries))
	for i, entry := range entries {
		if len(entry) != 2 || entry["apiVersion"] == "" || entry["kind"] == "" {
			return "", errors.New("an entry must have apiVersion and kind, and nothing else")
		}
		texts[i] = entry["apiVersion"] + "/" + entry["kind"]
	}
	return strings.Join(texts, ","), nil
}
