// Package memory is an API server that keeps custom resources in memory: just as much of one as the operator uses,
// and fast enough for a hundred thousand lives of Clusters in minutes. It supports resource versions, generations,
// finalizers, deletion with preconditions, the status subresource, JSON patches and server-side apply of what the
// operator applies, lists, and watches with bookmarks and initial events. It has no schemas, webhooks or permissions:
// what depends on these is tested on a real control plane.
package memory
