package plane

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func writeTestFile(dir string) error {
	return os.WriteFile(filepath.Join(dir, "file"), nil, 0o600)
}

const auditLine = `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","stage":"ResponseComplete",` +
	`"requestURI":"/apis/cluster.x-k8s.io/v1beta2/namespaces/n/clusters/c/status?fieldManager=m","verb":"patch",` +
	`"user":{"username":"u","groups":["g"]},"userAgent":"agent/v1",` +
	`"objectRef":{"resource":"clusters","namespace":"n","name":"c","apiGroup":"cluster.x-k8s.io",` +
	`"apiVersion":"v1beta2","subresource":"status"},` +
	`"responseStatus":{"metadata":{},"code":409},` +
	`"requestReceivedTimestamp":"2026-01-02T03:04:05.000001Z","stageTimestamp":"2026-01-02T03:04:05.010001Z"}` + "\n"

func TestParser(t *testing.T) {
	entry, ok, err := newParser().parse([]byte(auditLine))
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, Entry{
		Time: time.Date(2026, 1, 2, 3, 4, 5, 1000, time.UTC), Duration: 10 * time.Millisecond,
		User: "u", UserAgent: "agent/v1", Verb: "patch",
		Group: "cluster.x-k8s.io", Version: "v1beta2", Resource: "clusters", Subresource: "status",
		Namespace: "n", Name: "c", Code: 409,
		URI: "/apis/cluster.x-k8s.io/v1beta2/namespaces/n/clusters/c/status?fieldManager=m",
	}, entry)
	require.Equal(t, "patch clusters.cluster.x-k8s.io/status", entry.Request())
}

func TestParserSkips(t *testing.T) {
	for name, test := range map[string]struct {
		line string
		want bool
	}{
		"if a watch begins, should count it": {
			`{"kind":"Event","stage":"ResponseStarted","verb":"watch"}`, true,
		},
		"if a watch ends, should not count again": {
			`{"kind":"Event","stage":"ResponseComplete","verb":"watch"}`, false,
		},
		"if another stream begins, should not yet": {
			`{"kind":"Event","stage":"ResponseStarted","verb":"get"}`, false,
		},
		"if a line is empty, should skip it": {"\n", false},
		"if half a line of a killed server precedes, should read the second": {
			`{"kind":"Event","verb":"pa{"kind":"Event","stage":"ResponseComplete","verb":"get"}`, true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, ok, err := newParser().parse([]byte(test.line))
			require.NoError(t, err)
			require.Equal(t, test.want, ok)
		})
	}
	_, _, err := newParser().parse([]byte("nonsense"))
	require.ErrorContains(t, err, "no event")
}

func TestAuditReadsIncrementally(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit")
	file, err := os.Create(path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = file.Close() })
	audit := &Audit{path: path, parser: newParser()}
	t.Cleanup(func() { require.NoError(t, audit.close()) })

	for i, part := range []string{auditLine[:100], auditLine[100:] + auditLine, auditLine[:1]} {
		_, err = file.WriteString(part)
		require.NoError(t, err)
		require.NoError(t, audit.read())
		require.Len(t, audit.entries, []int{0, 2, 2}[i])
	}
}

func TestEntries(t *testing.T) {
	entries := Entries{
		{Verb: "get", Resource: "clusters", Group: "g", UserAgent: "a/1", User: "u"},
		{Verb: "patch", Resource: "clusters", Group: "g", UserAgent: "a/1", User: "v"},
		{Verb: "create", Resource: "subjectaccessreviews", Group: "authorization.k8s.io", UserAgent: "b", User: "u"},
		{Verb: "get", URI: "/version?x=y", UserAgent: "b", User: "u"},
	}
	require.Len(t, entries.Writes(), 1)
	require.Len(t, entries.ByUserAgent("a/"), 2)
	require.Len(t, entries.ByUser("u"), 3)
	require.Equal(t, map[string]int{
		"get clusters.g": 1, "patch clusters.g": 1, "create subjectaccessreviews.authorization.k8s.io": 1,
		"get /version": 1,
	}, entries.CountBy(Entry.Request))
}

func BenchmarkParser(b *testing.B) {
	p := newParser()
	for b.Loop() {
		_, _, _ = p.parse([]byte(auditLine))
	}
}
