package vip

import (
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// Status is the state of a Cluster's roles and the conditions that report it.
type Status struct {
	// Roles are the roles that are served or should be, the control plane first.
	Roles []RoleStatus

	// Slots are the states of the individual addresses: as many as Roles, unless a role has several addresses.
	Slots []RoleStatus

	// Conditions are all conditions of the allocator that the Cluster should carry.
	Conditions []Condition

	// Changed says that they differ from those it carries.
	Changed bool

	// Changes are the conditions whose reason or truth changes.
	Changes []Change

	// Recheck is how long to wait before deciding again, because a condition is withheld until then; zero if none is.
	Recheck time.Duration

	// Waiting says that a role that the Cluster awaits has no VIP yet, or that a VIP waits for a DNS name that an
	// older Cluster holds.
	Waiting bool
}

// RoleStatus is the state of one role, or of one of its addresses.
type RoleStatus struct {
	Role string

	// Slot is which address of the role this is about; in the state of a whole role, the slot that speaks for all.
	Slot string

	// Phase is the state in which the decision found the role.
	Phase Phase

	// Ready says that the role's VIP is there.
	Ready bool

	// Reason and Message are those of the condition.
	Reason, Message string

	// Address is the VIP as soon as it is known; for a role with several, all of them separated by commas once all are
	// there.
	Address string

	// Claim and Pool are where the address comes from; empty if there is no claim.
	Claim string
	Pool  PoolRef

	// Rival is the holder that keeps the address from being the role's VIP; nil if there is none. Messages do not name
	// a rival of another tenant.
	Rival *Rival
}

// Change is a condition that changes. Rival is the holder that keeps the role from its address; it is meant for
// administrators, as in a log.
type Change struct {
	Condition
	Role  string
	Rival *Rival
}

// String returns the condition in one line.
func (c Change) String() string {
	return fmt.Sprintf("condition %s=%t %s: %s", c.Type, c.True, c.Reason, c.Message)
}

func (o *outcome) ready(reason, format string, args ...any) {
	o.Ready, o.Reason, o.Message = true, reason, fmt.Sprintf(format, args...)
}

func (o *outcome) conflict(reason, format string, args ...any) {
	o.waiting(reason, 0, format, args...)
	o.trouble = true
}

func (o *outcome) waiting(reason string, withheld time.Duration, format string, args ...any) {
	o.Ready, o.Reason, o.Message, o.withheld = false, reason, fmt.Sprintf(format, args...), withheld
}

// MaxMessage is how many bytes a condition's message may have. Cluster API refuses more than 32768 characters, and
// readers have enough long before that. Text from others, such as a provider's report of its trouble, may be longer.
const MaxMessage = 4096

// Cut returns a text of at most limit bytes, with dots at the end if something was cut off.
func Cut(text string, limit int) string {
	const more = "..."
	if len(text) <= limit {
		return text
	}
	end := max(limit-len(more), 0)
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + more
}

// withConditions returns the status with the conditions of its roles and the changes they make to the Cluster. A
// withheld condition stays as it is on the Cluster.
func (s Status) withConditions(c *Cluster, withheld map[string]bool, now time.Time) Status {
	for _, role := range s.Roles {
		if conditionType := names.ConditionType(role.Role); withheld[conditionType] {
			if current := c.condition(conditionType); current != nil {
				s.Conditions = append(s.Conditions, *current)
			}
			continue
		}
		condition := Condition{
			Type:    names.ConditionType(role.Role),
			True:    role.Ready,
			Reason:  role.Reason,
			Message: Cut(role.Message, MaxMessage),
			Since:   now,
		}
		current := c.condition(condition.Type)
		if current != nil && current.True == condition.True {
			condition.Since = current.Since
		}
		s.Conditions = append(s.Conditions, condition)
		if current == nil || current.True != condition.True || current.Reason != condition.Reason {
			s.Changes = append(s.Changes, Change{Condition: condition, Role: role.Role, Rival: role.Rival})
		}
	}
	s.Changed = len(s.Conditions) != len(c.Conditions) ||
		slices.ContainsFunc(s.Conditions, func(condition Condition) bool {
			current := c.condition(condition.Type)
			return current == nil || current.True != condition.True || current.Reason != condition.Reason ||
				current.Message != condition.Message
		})
	return s
}
