package capi

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// DNSEndpointKind is the kind of external-dns that holds DNS records
// (https://kubernetes-sigs.github.io/external-dns/latest/docs/sources/crd/).
var DNSEndpointKind = schema.GroupVersionKind{Group: "externaldns.k8s.io", Version: "v1alpha1", Kind: "DNSEndpoint"}

// Snapshot returns what the decision about a Cluster needs to know of the object that has the name of its records.
func (d *DNSEndpoint) Snapshot(cluster *Cluster) vip.DNS {
	dns := vip.DNS{Served: true, Exists: true}
	dns.Orphaned = len(d.OwnerReferences) == 0 && d.Labels[names.ClusterName] == names.LabelValue(cluster.Name)
	dns.Foreign = !dns.Orphaned
	for _, owner := range d.OwnerReferences {
		if owner.UID == cluster.UID {
			dns.Foreign, dns.OwnerVersion = false, owner.APIVersion
		}
	}
	for _, record := range d.Spec.Endpoints {
		for _, target := range record.Targets {
			dns.Records = append(dns.Records, vip.Record{Name: record.DNSName, Type: record.RecordType, Target: target})
		}
	}
	slices.SortFunc(dns.Records, vip.Record.Compare)
	return dns
}

// ApplyRecords returns the name and the server-side apply of the object that holds the Cluster's DNS records.
func (c *Cluster) ApplyRecords(api API, action vip.SetRecords) (string, []byte, error) {
	endpoints := make([]DNSRecord, 0, len(action.Records))
	for _, record := range action.Records {
		// A name with several addresses is one endpoint with several targets: of two endpoints external-dns would use
		// only one.
		if last := len(endpoints) - 1; last >= 0 && endpoints[last].DNSName == record.Name &&
			endpoints[last].RecordType == record.Type {
			endpoints[last].Targets = append(endpoints[last].Targets, record.Target)
			continue
		}
		endpoints = append(endpoints, DNSRecord{
			DNSName: record.Name, RecordType: record.Type, Targets: []string{record.Target},
		})
	}
	meta := metav1.ObjectMeta{Namespace: c.Namespace, Name: names.DNSEndpointName(c.Name)}
	owner := c.ownerReference(api)
	owner.BlockOwnerDeletion = nil
	body, err := applyNew(typeMeta(*api.DNS), &meta, object{
		"labels":          map[string]string{names.ClusterName: names.LabelValue(c.Name)},
		"ownerReferences": []metav1.OwnerReference{owner},
	}, object{"spec": object{"endpoints": endpoints}})
	return meta.Name, body, err
}
