package options

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// poolKindsFlag lists the pool kinds of other IPAM providers.
const poolKindsFlag = "pool-kinds"

// acceptsPoolKinds says how to write them.
const acceptsPoolKinds = "GROUP/VERSION/KIND of pools, separated by commas, such as ipam.example.com/v1/ExamplePool; " +
	"in the config file a list of apiVersion and kind; each kind once, and none of the in-cluster provider, " +
	"whose pools are always in use"

func (o *Options) poolKindsValue(target *[]schema.GroupVersionKind) pflag.Value {
	return newValue(o, poolKindsFlag, "strings", target, parseKinds, FormatKinds)
}

// poolKindsText converts the config file's list to the flag's text.
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
