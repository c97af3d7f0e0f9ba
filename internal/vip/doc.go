// Package vip decides what has to be done for one Cluster. It is pure: a Snapshot of what is known goes in, a Plan
// comes out, and nothing is read, written, logged, timed or counted on the way. The same snapshot gives the same plan,
// in whatever order its lists are, so the operator, the runtime hooks and kubectl vip all speak from one decision.
package vip
