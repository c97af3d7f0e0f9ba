// Package chaos drives the operator, two replicas of it, through random sequences of user and administrator actions
// and of faults of every component beside it, on a real control plane. A model knows what must be true when all is
// quiet again; the watches and the API server's audit log show whether what must always hold did hold.
//
// A seed determines a sequence of operations. What happens between them is up to the components, as in a data center.
package chaos
