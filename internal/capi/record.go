package capi

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// longestRecord is the longest record annotation that is read, in bytes: more than enough for all addresses that a
// Cluster may have (vip.MostSlots).
const longestRecord = 16 << 10

// parseRecord reads the annotation that says which claim the VIP of each slot was written from: slot=UID, separated
// by commas. It ignores what it cannot parse.
func parseRecord(text string) map[string]types.UID {
	if text == "" || len(text) > longestRecord {
		return nil
	}
	record := map[string]types.UID{}
	for entry := range strings.SplitSeq(text, ",") {
		slot, uid, ok := strings.Cut(entry, "=")
		if _, _, valid := names.ParseSlot(slot); ok && valid && uid != "" {
			record[slot] = types.UID(uid)
		}
	}
	return record
}

func formatRecord(record map[string]types.UID) string {
	entries := make([]string, 0, len(record))
	for _, slot := range slices.Sorted(maps.Keys(record)) {
		entries = append(entries, slot+"="+string(record[slot]))
	}
	return strings.Join(entries, ",")
}

// recordWith returns the Cluster's record updated with results, and whether that changes it. It leaves out roles
// whose VIP is no longer on the Cluster.
func (c *Cluster) recordWith(results Results) (string, bool) {
	record := parseRecord(c.Annotations[names.Claims])
	vips := c.VIPs()
	maps.DeleteFunc(record, func(slot string, _ types.UID) bool {
		role, _, _ := names.ParseSlot(slot)
		return vips[role] == "" && (role != names.RoleControlPlane || c.Spec.ControlPlaneEndpoint.Host == "")
	})
	if record == nil {
		record = map[string]types.UID{}
	}
	if set := results.Endpoint; set != nil && set.ClaimUID != "" {
		record[names.RoleControlPlane] = set.ClaimUID
	}
	for _, annotation := range results.Annotations {
		// The VIP of the control plane counts as written only with the endpoint, which may come later.
		if annotation.Role != names.RoleControlPlane && annotation.ClaimUID != "" {
			record[annotation.Role] = annotation.ClaimUID
		}
	}
	for _, claim := range results.Records {
		record[claim.Slot] = claim.ClaimUID
	}
	text := formatRecord(record)
	return text, text != c.Annotations[names.Claims]
}
