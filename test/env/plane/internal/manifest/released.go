package manifest

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Released reads the manifest that a provider is released with and returns what its process needs: everything except
// for the workload itself, with webhooks at the provider's WebhookURL. Of the provider it uses Name, WebhookURL and
// CABundle.
func (p Provider) Released(path string) ([]*unstructured.Unstructured, error) {
	all, err := ReadFile(path)
	if err != nil {
		return nil, err
	}
	var needed []*unstructured.Unstructured
	for _, object := range all {
		switch object.GetKind() {
		case "CustomResourceDefinition":
			err = p.rewriteConversion(object)
		case "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration":
			err = p.rewriteWebhooks(object)
		case "Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding":
		default:
			// The Deployment with its Service, and the certificates of both.
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		p.label(object)
		needed = append(needed, object)
	}
	return needed, nil
}

// rewriteConversion points the conversion of a CRD at the provider's process; a CRD without conversion stays as it
// is.
func (p Provider) rewriteConversion(crd *unstructured.Unstructured) error {
	webhook, found, err := unstructured.NestedMap(crd.Object, "spec", "conversion", "webhook")
	if err != nil || !found {
		return err
	}
	path, _, err := unstructured.NestedString(webhook, "clientConfig", "service", "path")
	if err != nil {
		return fmt.Errorf("CRD %s: %w", crd.GetName(), err)
	}
	return unstructured.SetNestedMap(crd.Object, p.clientConfig(path), "spec", "conversion", "webhook", "clientConfig")
}
