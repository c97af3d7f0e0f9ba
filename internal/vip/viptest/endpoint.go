package viptest

import (
	"fmt"

	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// EndpointBreach says how a change of a Cluster's endpoint breaks the contract, or "" if it does not: a set endpoint
// never changes, and host and port come together. Both the simulated world and the guard over a real control plane use
// it.
func EndpointBreach(before, after vip.Endpoint) string {
	switch {
	case before.Host != "" && after != before:
		return fmt.Sprintf("the endpoint was %s and became %s", before, after)
	case after.Host != "" && (after.Port < 1 || after.Port > 65535):
		return fmt.Sprintf("the host %s has the port %d", after.Host, after.Port)
	}
	return ""
}
