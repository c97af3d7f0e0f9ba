package names_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

func TestParseSlot(t *testing.T) {
	for slot, valid := range map[string]bool{
		"ingress": true, "ingress.2": true, "ingress.16": true, "control-plane": true,
		"ingress.1": false, "ingress.0": false, "ingress.17": false, "ingress.02": false, "ingress.+2": false,
		"ingress.": false, "ingress.x": false,
		"control-plane.2": false, "": false, ".2": false, "claims": false, "claims.2": false, "ingress.2.3": false,
	} {
		_, _, ok := names.ParseSlot(slot)
		assert.Equal(t, valid, ok, slot)
	}
}

// No two addresses of Clusters in a namespace need a claim of the same name, not even where a number and the name of
// one Cluster read like the name of another.
func TestClaimsOfSlots(t *testing.T) {
	assert.Equal(t, "vip-ingress-prod", names.ClaimName("prod", names.Slot("ingress", 1)))
	assert.Equal(t, "vip-2-ingress-prod", names.ClaimName("prod", names.Slot("ingress", 2)))
	clusters := rapid.SampledFrom([]string{"prod", "prod-2", "2-prod", "2", "prod.2", strings.Repeat("a", 253)})
	roles := rapid.SampledFrom([]string{"ingress", "cp", "lb"})
	numbers := rapid.IntRange(1, names.MostAddresses)
	rapid.Check(t, func(t *rapid.T) {
		cluster, role, number := clusters.Draw(t, "cluster"), roles.Draw(t, "role"), numbers.Draw(t, "number")
		other, otherRole, otherNumber := clusters.Draw(t, "other"), roles.Draw(t, "other role"),
			numbers.Draw(t, "other number")
		slot := names.Slot(role, number)
		claim := names.ClaimName(cluster, slot)
		same := cluster == other && role == otherRole && number == otherNumber
		assert.Equal(t, same, claim == names.ClaimName(other, names.Slot(otherRole, otherNumber)))
		gotSlot, gotNumber, ok := names.SlotOfClaim(claim, cluster, role)
		assert.True(t, ok)
		assert.Equal(t, slot, gotSlot)
		assert.Equal(t, number, gotNumber)
		_, _, ok = names.SlotOfClaim(claim, other, otherRole)
		assert.Equal(t, cluster == other && role == otherRole, ok)
		gotRole, gotNumber, ok := names.ParseSlot(slot)
		assert.True(t, ok)
		assert.Equal(t, role, gotRole)
		assert.Equal(t, number, gotNumber)
	})
}
