package answer

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/version"
	hooks "sigs.k8s.io/cluster-api/api/runtime/hooks/v1alpha1"
)

// distribution describes how to write a VIP into the template of one kind of control plane.
type distribution struct {
	// files, certSANs and commands are the paths of lists in the template. The commands run before the distribution
	// starts; their path is empty where none are needed.
	files, certSANs, commands []string
	// manifest is where the kubelet finds kube-vip's static pod, kubeconfig what kube-vip reaches the API server
	// with.
	manifest, kubeconfig string
}

// superAdmin is the first Kubernetes version whose kubeadm makes an admin.conf that has no rights of its own: they
// are granted through the API server, which the first control plane machine reaches only once kube-vip has the VIP.
// On that machine kube-vip uses super-admin.conf instead (kubeadm's release notes of 1.29; kube-vip issue 684).
var superAdmin = version.MajorMinor(1, 29)

// useSuperAdmin distinguishes the first machine from those that join, with cloud-init and with Ignition: Cluster API
// writes kubeadm.yaml only for kubeadm init.
const useSuperAdmin = `if [ -f /run/kubeadm/kubeadm.yaml ] || grep -qs "kubeadm init" /etc/kubeadm.sh; then ` +
	`sed -i 's#path: /etc/kubernetes/admin.conf#path: /etc/kubernetes/super-admin.conf#' ` +
	`/etc/kubernetes/manifests/kube-vip.yaml; fi`

// distributions are the supported kinds of templates. The paths are the same in all served versions of these kinds.
var distributions = map[string]distribution{
	"KubeadmControlPlaneTemplate": {
		files:      field("kubeadmConfigSpec", "files"),
		certSANs:   field("kubeadmConfigSpec", "clusterConfiguration", "apiServer", "certSANs"),
		commands:   field("kubeadmConfigSpec", "preKubeadmCommands"),
		manifest:   "/etc/kubernetes/manifests/kube-vip.yaml",
		kubeconfig: "/etc/kubernetes/admin.conf",
	},
	"RKE2ControlPlaneTemplate": {
		files:      field("files"),
		certSANs:   field("serverConfig", "tlsSan"),
		manifest:   "/var/lib/rancher/rke2/agent/pod-manifests/kube-vip.yaml",
		kubeconfig: "/etc/rancher/rke2/rke2.yaml",
	},
}

func field(path ...string) []string {
	return append([]string{"spec", "template", "spec"}, path...)
}

// writeControlPlane writes the VIP into a control plane's template, as the settings say.
func writeControlPlane(
	template *unstructured.Unstructured, s *settings, target endpoint, values *hooks.Builtins,
) error {
	d, found := distributions[template.GetKind()]
	if !found {
		return fmt.Errorf("%s and %s are for KubeadmControlPlaneTemplate and RKE2ControlPlaneTemplate, "+
			"and this is a %s: leave them out and patch it inline",
			settingKubeVIP, settingCertSANs, template.GetKind())
	}
	if s.certSANs {
		if err := appendOnce(template, target.address.String(), d.certSANs); err != nil {
			return err
		}
	}
	if !s.kubeVIP {
		return nil
	}
	if err := d.addManifest(template, s, target); err != nil {
		return err
	}
	if len(d.commands) > 0 && needsSuperAdmin(values) {
		return appendOnce(template, useSuperAdmin, d.commands)
	}
	return nil
}

// addManifest adds kube-vip's manifest to the template's files.
func (d distribution) addManifest(template *unstructured.Unstructured, s *settings, target endpoint) error {
	files, _, err := unstructured.NestedSlice(template.Object, d.files...)
	if err != nil {
		return err
	}
	for _, file := range files {
		if existing, ok := file.(map[string]any); ok && existing["path"] == d.manifest {
			return fmt.Errorf("it has a file %s already: remove that, or leave out %s", d.manifest, settingKubeVIP)
		}
	}
	content, err := kubeVIPManifest(s, target, d.kubeconfig)
	if err != nil {
		return err
	}
	return unstructured.SetNestedSlice(template.Object, append(files, map[string]any{
		"path": d.manifest, "owner": "root:root", "permissions": "0644", "content": content,
	}), d.files...)
}

// needsSuperAdmin reports whether the control plane's version makes kube-vip use super-admin.conf. Versions without
// it have long been out of support, so a version that cannot be parsed counts as newer.
func needsSuperAdmin(values *hooks.Builtins) bool {
	if values == nil || values.ControlPlane == nil {
		return true
	}
	parsed, err := version.ParseGeneric(values.ControlPlane.Version)
	return err != nil || parsed.AtLeast(superAdmin)
}

// appendOnce adds a value to a list in the template, unless the list has it.
func appendOnce(template *unstructured.Unstructured, value string, path []string) error {
	list, _, err := unstructured.NestedStringSlice(template.Object, path...)
	if err != nil {
		return err
	}
	if slices.Contains(list, value) {
		return nil
	}
	return unstructured.SetNestedStringSlice(template.Object, append(list, value), path...)
}
