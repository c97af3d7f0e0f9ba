// Package vip decides what to do for one Cluster. It is pure: it takes a Snapshot of what is known and returns a Plan,
// and reads, writes, logs, times and counts nothing on the way. The same snapshot gives the same plan, whatever the
// order of its lists, so the operator, the runtime hooks and kubectl vip all speak from one decision.
package vip
