package capi_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1beta1 "sigs.k8s.io/cluster-api/api/core/v1beta1"
	corev1beta2 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

func pool(labels, annotations map[string]string) *capi.Pool {
	return &capi.Pool{ObjectMeta: metav1.ObjectMeta{Name: "p", Labels: labels, Annotations: annotations}}
}

// A pool that asks for values finds them in Clusters of both versions, as decoded and as cached.
func TestSelectedByVariables(t *testing.T) {
	number, filling := "9007199254740993", strings.Repeat("x", 600)
	values := map[string]string{
		"network": `"vlan-7"`, "mtu": `9000`, "bgp": `true`,
		"site": `{"name":"berlin","id":` + number + `,"notes":"` + filling + `"}`,
		"big":  `"` + filling + `"`,
	}
	older, newer := realV1Beta1(), realV1Beta2()
	older.Spec.Topology.Variables, newer.Spec.Topology.Variables = nil, nil
	for name, value := range values {
		raw := apiextensionsv1.JSON{Raw: []byte(value)}
		older.Spec.Topology.Variables = append(older.Spec.Topology.Variables,
			corev1beta1.ClusterVariable{Name: name, Value: raw})
		newer.Spec.Topology.Variables = append(newer.Spec.Topology.Variables,
			corev1beta2.ClusterVariable{Name: name, Value: raw})
	}
	for asked, want := range map[string]vip.Verdict{
		"network=vlan-7,site.name=berlin,mtu=9000,bgp=true": vip.VerdictChosen,
		"site.id=" + number:            vip.VerdictChosen,
		"site.id=9007199254740992":     vip.VerdictOtherVariables,
		"site.notes=" + vip.Unreadable: vip.VerdictOtherVariables,
		"network=vlan-7,bgp=false":     vip.VerdictOtherVariables,
		"network=vlan-7,big=x":         vip.VerdictUnknown,
		"network=vlan-8,big=x":         vip.VerdictOtherVariables,
	} {
		serving := pool(map[string]string{names.ClusterClass: "bare-metal", names.Role: "ingress"},
			map[string]string{names.Variables: asked}).Snapshot(time.Time{})
		for version, cluster := range map[string]*capi.Cluster{
			"v1beta1": decode[capi.Cluster](t, older), "v1beta2": decode[capi.Cluster](t, newer),
		} {
			kept := trimmed(t, cluster).Snapshot()
			assert.Equal(t, []vip.Verdict{want}, vip.Explain(&kept, []vip.Pool{serving}, "ingress"), "%s at %s",
				asked, version)
		}
	}
}
