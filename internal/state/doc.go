// Package state holds what is known of the cluster: the caches, our own writes laid over them until the watches
// report them, and the snapshot that a decision rests on. It writes nothing.
package state
