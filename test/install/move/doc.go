// Package move moves Clusters with their VIPs between two real control planes, with the real clusterctl.
package move
