package vip

import (
	"fmt"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// port returns the port of the endpoint: the endpoint's own if that is valid, or was when it was held back, else the
// one that the Cluster's API servers listen on, else the one given, which stands in a variable, else the default.
func (a *allocation) port(given int32) int32 {
	for _, port := range []int32{a.cluster.Endpoint.Port, a.cluster.Gate.Port, a.cluster.Port, given} {
		if validPort(port) {
			return port
		}
	}
	return a.Settings.DefaultPort
}

// saidPort says where the port of the endpoint comes from, if that is the network of the Cluster and the default is
// another; else it is empty.
func (a *allocation) saidPort(role string) string {
	own := a.cluster.Port
	if role != names.RoleControlPlane || own == a.Settings.DefaultPort || own != a.port(0) {
		return ""
	}
	return fmt.Sprintf("; the port is %d, by spec.clusterNetwork.apiServerPort", own)
}
