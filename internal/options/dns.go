package options

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// dnsNamesFlag takes the patterns of DNS names.
const dnsNamesFlag = "dns-names"

// acceptsDNSNames says how to write them.
const acceptsDNSNames = "ROLE=PATTERN separated by commas, such as " +
	"control-plane=api.{cluster}.{namespace}.{baseDomain}; in the config file a map"

// DefaultDNSNames returns the patterns of the two standard roles. Since the namespace is a separate label, no two
// Clusters can share a name, or have one below the other's wildcard.
func DefaultDNSNames() map[string]string {
	return map[string]string{
		names.RoleControlPlane: "api.{cluster}.{namespace}.{baseDomain}",
		names.RoleIngress:      "*.{cluster}.{namespace}.{baseDomain}",
	}
}

// Settings returns the options that decisions depend on.
func (o *Options) Settings() vip.Settings {
	return vip.Settings{
		DefaultPort: o.DefaultPort, WatchFilter: o.WatchFilter,
		DNS: vip.DNSSettings{BaseDomain: o.BaseDomain, Names: o.DNSNames},
	}
}

func (o *Options) dnsNamesValue() pflag.Value {
	return newValue(o, dnsNamesFlag, "strings", &o.DNSNames, parseDNSNames, formatDNSNames)
}

var placeholder = regexp.MustCompile(`[{}][^{}]*[{}]?`)

// parseDNSNames parses ROLE=PATTERN, separated by commas. A pattern without {cluster} would give all Clusters the
// same name.
func parseDNSNames(raw string) (map[string]string, error) {
	patterns := map[string]string{}
	for entry := range strings.SplitSeq(raw, ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		role, pattern, ok := strings.Cut(entry, "=")
		if err := names.ValidateRole(role); !ok || err != nil {
			return nil, fmt.Errorf("%q is not ROLE=PATTERN", entry)
		}
		for _, part := range placeholder.FindAllString(pattern, -1) {
			if !slices.Contains([]string{"{cluster}", "{namespace}", "{baseDomain}"}, part) {
				return nil, fmt.Errorf("%q has %s, which stands for nothing", entry, part)
			}
		}
		if !strings.Contains(pattern, "{cluster}") {
			return nil, fmt.Errorf("%q gives all Clusters the same name", entry)
		}
		sample := vip.DNSSettings{BaseDomain: "example.com", Names: map[string]string{role: pattern}}
		if _, err := sample.Name(role, &vip.Cluster{Namespace: "n", Name: "c"}); err != nil {
			return nil, err
		}
		patterns[role] = pattern
	}
	return patterns, nil
}

func formatDNSNames(patterns map[string]string) string {
	texts := make([]string, 0, len(patterns))
	for _, role := range slices.Sorted(maps.Keys(patterns)) {
		texts = append(texts, role+"="+patterns[role])
	}
	return strings.Join(texts, ",")
}

// dnsNamesText converts the config file's map to the flag's text.
func dnsNamesText(raw json.RawMessage) (string, error) {
	var patterns map[string]string
	if err := json.Unmarshal(raw, &patterns); err != nil {
		return "", fmt.Errorf("not a map of roles and patterns: %w", err)
	}
	return formatDNSNames(patterns), nil
}
