package capi

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// longestRecord is how many bytes of the annotation with the record are read: more than as many addresses as a Cluster
// may have take (vip.MostSlots).
const longestRecord = 16 << 10

// parseRecord reads the annotation that says which claim the VIP of each slot was written from: slot=UID, separated by
// commas. What cannot be understood is as if it were not there.
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

// recordWith returns the record of the Cluster with what is written now. Roles whose VIP is not on the Cluster any more
// are left out.
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
		// The VIP of the control plane is written when the endpoint is, which may come later.
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
