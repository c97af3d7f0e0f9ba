package vip

import "github.com/gorizond/capi-vip-allocator/internal/names"

// renew makes the claim of a role name the Cluster at the version in use. An ownerReference keeps the apiVersion it
// was created with, and the garbage collector cannot look an owner up at a version that is no longer served: it would
// neither delete the claim along with its Cluster nor tell anyone. A claim that is being written or deleted anyway is
// left alone.
func (a *allocation) renew(o *outcome) {
	claim := a.ClaimFor(o.Slot)
	if claim == nil || len(o.claim) > 0 || !a.misnames(claim) {
		return
	}
	renewal := RenewOwner{Role: o.Role, Claim: *claim, Version: a.ClusterVersion}
	if said, ok := a.Refused[renewal.Key()]; ok {
		o.warn(names.EventWriteRefused, "%s", said)
		return
	}
	o.claim = append(o.claim, renewal)
}

// misnames reports whether a claim that stays names the Cluster as its owner at a version other than the one in use.
func (a *allocation) misnames(claim *Claim) bool {
	return !claim.Deleting && a.owns(claim) && a.outdated(claim.Owner.Version)
}

// outdated reports whether an ownerReference names the Cluster at a version other than the one in use.
func (a *allocation) outdated(version string) bool {
	return a.ClusterVersion != "" && version != "" && version != a.ClusterVersion
}
