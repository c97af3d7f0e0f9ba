// Package chaos drives the operator, two replicas of it, through random sequences of what users and administrators do
// and of faults of every component beside it, on a real control plane. A model knows what has to be true when all is
// quiet again; what must hold at every moment is seen from the watches and from the API server's audit log.
//
// A seed makes a sequence of operations. What happens between them is up to the components, as it is in a data center.
package chaos
