package harness

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/gorizond/capi-vip-allocator/test/plane"
)

const (
	// User is the operator's name in the audit log, unless OperatorOptions say otherwise.
	User = "capi-vip-allocator"
	// Group is what the roles are bound to, so that several operators with names of their own have them.
	Group = "capi-vip-allocator"
	// Namespace is the operator's own, with its Lease.
	Namespace = "capi-vip-allocator-system"
)

//go:embed rbac.yaml
var roles string

// Grant creates the operator's namespace and roles. Granting again is fine.
func Grant(ctx context.Context, p *plane.Plane) error {
	if _, err := plane.ApplyYAML(ctx, p.Config(), roles); err != nil {
		return fmt.Errorf("grant the operator its roles: %w", err)
	}
	return nil
}

// Identity is that of an operator with the given user name.
func Identity(user string) plane.Identity {
	return plane.Identity{User: user, Groups: []string{Group}}
}
