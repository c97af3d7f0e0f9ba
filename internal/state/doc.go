// Package state is what is known of the cluster: the caches, the own writes laid over them until the watches tell of
// them, and the snapshot that a decision rests on. It writes nothing.
package state
