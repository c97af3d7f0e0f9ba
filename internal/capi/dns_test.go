package capi_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// A name with several addresses is one endpoint: of two, external-dns would use only one. Read back, the records are
// the same.
func TestRecordsOfSeveralAddresses(t *testing.T) {
	records := []vip.Record{
		{Name: "*.prod", Type: "A", Target: "10.0.0.20"},
		{Name: "*.prod", Type: "A", Target: "10.0.0.21"},
		{Name: "*.prod", Type: "AAAA", Target: "fd00::1"},
		{Name: "api.prod", Type: "A", Target: "10.0.0.10"},
	}
	cluster := &capi.Cluster{}
	cluster.Name, cluster.UID = "prod", "uid"
	_, body, err := cluster.ApplyRecords(capi.API{DNS: &capi.Resource{}}, vip.SetRecords{Records: records})
	require.NoError(t, err)
	var written capi.DNSEndpoint
	require.NoError(t, json.Unmarshal(body, &written))
	require.Len(t, written.Spec.Endpoints, 3)
	assert.Equal(t, []string{"10.0.0.20", "10.0.0.21"}, written.Spec.Endpoints[0].Targets)
	assert.Equal(t, records, written.Snapshot(cluster).Records)
}
