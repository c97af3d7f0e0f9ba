package names

import (
	"strconv"
	"strings"
)

// MostAddresses is how many addresses a Cluster may have for one role. Each is an object of its own.
const MostAddresses = 16

const (
	slotSeparator = "."
	claimPrefix   = "vip-"
)

// Slot names one of the addresses of a role, counted from 1: the first by the role itself, and the others by the role,
// a dot and the number. A role has no dots.
func Slot(role string, number int) string {
	if number <= 1 {
		return role
	}
	return role + slotSeparator + strconv.Itoa(number)
}

// ParseSlot returns role and number of a slot, and whether it is one.
func ParseSlot(slot string) (role string, number int, ok bool) {
	role, text, further := strings.Cut(slot, slotSeparator)
	if ValidateRole(role) != nil {
		return "", 0, false
	}
	if !further {
		return role, 1, true
	}
	number, err := strconv.Atoi(text)
	ok = err == nil && number > 1 && number <= MostAddresses && role != RoleControlPlane && slot == Slot(role, number)
	return role, number, ok
}

// SlotOfClaim returns the slot of a role whose claim has this name, and whether there is one.
func SlotOfClaim(claim, cluster, role string) (slot string, number int, ok bool) {
	number = 1
	text, _, _ := strings.Cut(strings.TrimPrefix(claim, claimPrefix), "-")
	if text != "" && text[0] <= '9' { // no role begins with a digit
		number, _ = strconv.Atoi(text)
	}
	slot = Slot(role, number)
	if _, _, valid := ParseSlot(slot); !valid {
		return "", 0, false
	}
	return slot, number, claim == ClaimName(cluster, slot)
}
