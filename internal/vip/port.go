package vip

import (
	"fmt"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// port returns the port of the endpoint: the endpoint's own if that is valid, or was when the control plane was held;
// else the port that the Cluster's API servers listen on; else the given one, which comes from a variable; else the
// default.
func (a *allocation) port(given int32) int32 {
	for _, port := range []int32{a.cluster.Endpoint.Port, a.cluster.Gate.Port, a.cluster.Port, given} {
		if validPort(port) {
			return port
		}
	}
	return a.Settings.DefaultPort
}

// saidPort says that the port of the endpoint comes from the Cluster's network, if it does and is not the default;
// else it is empty.
func (a *allocation) saidPort(role string) string {
	own := a.cluster.Port
	if role != names.RoleControlPlane || own == a.Settings.DefaultPort || own != a.port(0) {
		return ""
	}
	return fmt.Sprintf("; the port is %d, by spec.clusterNetwork.apiServerPort", own)
}
