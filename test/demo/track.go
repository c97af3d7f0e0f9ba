package main

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
)

// track says when a watch saw each change of a Cluster. Zero means not yet.
type track struct {
	created, served time.Time
	// lost and restored concern the ingress annotation, finished and gone the deletion.
	lost, restored, finished, gone time.Time
}

// tracker follows all Clusters.
type tracker struct {
	mu     sync.Mutex
	tracks map[string]*track
}

func newTracker(world *harness.World) (*tracker, error) {
	t := &tracker{tracks: map[string]*track{}}
	if err := world.OnCluster(t.changed); err != nil {
		return nil, fmt.Errorf("follow the Clusters: %w", err)
	}
	return t, nil
}

// of returns a copy of what is known about a Cluster.
func (t *tracker) of(name string) track {
	t.mu.Lock()
	defer t.mu.Unlock()
	if known := t.tracks[name]; known != nil {
		return *known
	}
	return track{}
}

func (t *tracker) changed(before, after *harness.Cluster) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if after == nil {
		if known := t.tracks[before.GetName()]; known != nil {
			first(&known.gone, now, true)
		}
		return
	}
	known := t.tracks[after.GetName()]
	if known == nil {
		known = &track{created: now}
		t.tracks[after.GetName()] = known
	}
	ingress := after.VIP(names.RoleIngress) != ""
	first(&known.served, now, ingress && after.Endpoint().Host != "")
	first(&known.lost, now, !ingress && !known.served.IsZero())
	first(&known.restored, now, ingress && !known.lost.IsZero())
	first(&known.finished, now, !after.InUse() && after.GetDeletionTimestamp() != nil)
}

// first notes the first time at which a condition holds.
func first(at *time.Time, now time.Time, holds bool) {
	if holds && at.IsZero() {
		*at = now
	}
}

// header is the first row of the table of Clusters.
func header() []string {
	return []string{"CLUSTER", "CONTROL PLANE VIP", "INGRESS VIP", "MS", "CONDITIONS"}
}

// row returns the row of a Cluster.
func row(name string, cluster *harness.Cluster, known track) []string {
	if cluster == nil {
		return []string{name, "-", "-", "", ""}
	}
	endpoint := "-"
	if e := cluster.Endpoint(); e.Host != "" {
		endpoint = fmt.Sprintf("%s:%d", e.Host, e.Port)
	}
	ingress := cluster.VIP(names.RoleIngress)
	if ingress == "" {
		ingress = "-"
	}
	elapsed := "..."
	if !known.served.IsZero() {
		elapsed = millis(known.served.Sub(known.created))
	}
	return []string{name, endpoint, ingress, elapsed, conditions(cluster)}
}

// conditions returns the reasons of both conditions, control plane first, and marks one that is not True.
func conditions(cluster *harness.Cluster) string {
	var reasons []string
	for _, role := range []string{names.RoleControlPlane, names.RoleIngress} {
		switch condition := cluster.Condition(role); {
		case condition == nil:
			reasons = append(reasons, "-")
		case condition.Status != "True":
			reasons = append(reasons, "not ready: "+condition.Reason)
		default:
			reasons = append(reasons, condition.Reason)
		}
	}
	return strings.Join(reasons, ", ")
}

func millis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
