// Package manifest reads the deployment manifests of a provider and rewrites them for a plane, where
// a webhook is a process on the loopback interface and not a Service.
package manifest

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// Provider says how to adapt manifests to a provider, as its kustomization would.
type Provider struct {
	// Name is the value of the provider label, such as cluster-api.
	Name string
	// Prefix precedes the names of everything except for CRDs.
	Prefix string
	// User runs the provider; its roles are bound to this user.
	User string
	// WebhookURL is where the provider serves its webhooks, without a path.
	WebhookURL string
	// CABundle verifies the webhook server, PEM.
	CABundle []byte
}

// Labels that the kustomizations and clusterctl put on what they install.
const (
	providerLabel   = "cluster.x-k8s.io/provider"
	clusterctlLabel = "clusterctl.cluster.x-k8s.io"
)

// Load reads the manifests below dir: CRDs, webhook configurations, and cluster roles with their bindings.
func (p Provider) Load(dir string) ([]*unstructured.Unstructured, error) {
	var all []*unstructured.Unstructured
	crds, err := p.crds(dir)
	if err != nil {
		return nil, err
	}
	all = append(all, crds...)
	webhooks, err := ReadFile(filepath.Join(dir, "webhook", "manifests.yaml"))
	if err != nil {
		return nil, err
	}
	for _, webhook := range webhooks {
		if err := p.rewriteWebhooks(webhook); err != nil {
			return nil, err
		}
		webhook.SetName(p.Prefix + webhook.GetName())
		all = append(all, webhook)
	}
	roles, err := ReadFile(filepath.Join(dir, "rbac", "role.yaml"))
	if err != nil {
		return nil, err
	}
	for _, role := range roles {
		if role.GetKind() != "ClusterRole" {
			continue
		}
		role.SetName(p.Prefix + role.GetName())
		all = append(all, role, p.binding(role.GetName()))
	}
	for _, object := range all {
		p.label(object)
	}
	return all, nil
}

// crds reads the CRDs and applies the two of their kustomize patches that matter: which kinds convert through the
// webhook, and the labels that clusterctl looks for.
func (p Provider) crds(dir string) ([]*unstructured.Unstructured, error) {
	patched, err := readGlob(filepath.Join(dir, "crd", "patches", "*.yaml"))
	if err != nil {
		return nil, err
	}
	converts, labels := map[string]bool{}, map[string]map[string]string{}
	for _, patch := range patched {
		name := patch.GetName()
		if _, found, _ := unstructured.NestedMap(patch.Object, "spec", "conversion", "webhook"); found {
			converts[name] = true
		}
		if patch.GetLabels() != nil {
			labels[name] = patch.GetLabels()
		}
	}
	crds, err := readGlob(filepath.Join(dir, "crd", "bases", "*.yaml"))
	if err != nil {
		return nil, err
	}
	if len(crds) == 0 {
		return nil, fmt.Errorf("no CRDs below %s: delete this directory of the build cache and build again", dir)
	}
	for _, crd := range crds {
		addLabels(crd, labels[crd.GetName()])
		if !converts[crd.GetName()] {
			continue
		}
		conversion := map[string]any{
			"strategy": "Webhook",
			"webhook": map[string]any{
				"conversionReviewVersions": []any{"v1"},
				"clientConfig":             p.clientConfig("/convert"),
			},
		}
		if err := unstructured.SetNestedMap(crd.Object, conversion, "spec", "conversion"); err != nil {
			return nil, fmt.Errorf("set the conversion of CRD %s: %w", crd.GetName(), err)
		}
	}
	return crds, nil
}

func (p Provider) rewriteWebhooks(configuration *unstructured.Unstructured) error {
	webhooks, found, err := unstructured.NestedSlice(configuration.Object, "webhooks")
	if err != nil || !found {
		return fmt.Errorf("%s %s has no list of webhooks: %w", configuration.GetKind(), configuration.GetName(), err)
	}
	for i := range webhooks {
		webhook, ok := webhooks[i].(map[string]any)
		if !ok {
			return fmt.Errorf("%s %s: webhook %d is not an object", configuration.GetKind(), configuration.GetName(), i)
		}
		path, _, err := unstructured.NestedString(webhook, "clientConfig", "service", "path")
		if err != nil {
			return fmt.Errorf("%s %s: %w", configuration.GetKind(), configuration.GetName(), err)
		}
		webhook["clientConfig"] = p.clientConfig(path)
	}
	return unstructured.SetNestedSlice(configuration.Object, webhooks, "webhooks")
}

func (p Provider) clientConfig(path string) map[string]any {
	return map[string]any{
		"url":      p.WebhookURL + path,
		"caBundle": base64.StdEncoding.EncodeToString(p.CABundle),
	}
}

func (p Provider) binding(role string) *unstructured.Unstructured {
	const group = "rbac.authorization.k8s.io"
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": group + "/v1",
		"kind":       "ClusterRoleBinding",
		"metadata":   map[string]any{"name": role},
		"roleRef":    map[string]any{"apiGroup": group, "kind": "ClusterRole", "name": role},
		"subjects":   []any{map[string]any{"apiGroup": group, "kind": "User", "name": p.User}},
	}}
}

func (p Provider) label(object *unstructured.Unstructured) {
	addLabels(object, map[string]string{providerLabel: p.Name, clusterctlLabel: ""})
}

func addLabels(object *unstructured.Unstructured, more map[string]string) {
	labels := object.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	for name, value := range more {
		labels[name] = value
	}
	object.SetLabels(labels)
}

func readGlob(pattern string) ([]*unstructured.Unstructured, error) {
	files, err := filepath.Glob(pattern)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", pattern, err)
	}
	slices.Sort(files)
	var all []*unstructured.Unstructured
	for _, file := range files {
		// Annotation patches for cert-manager contain variables and mean nothing here.
		if strings.HasPrefix(filepath.Base(file), "cainjection_") {
			continue
		}
		objects, err := ReadFile(file)
		if err != nil {
			return nil, err
		}
		all = append(all, objects...)
	}
	return all, nil
}

// ReadFile reads all objects of a YAML file.
func ReadFile(path string) ([]*unstructured.Unstructured, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read a manifest: %w", err)
	}
	objects, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return objects, nil
}

// Parse reads all objects of a stream of YAML or JSON documents; empty documents are skipped.
func Parse(data []byte) ([]*unstructured.Unstructured, error) {
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096)
	var objects []*unstructured.Unstructured
	for {
		var content map[string]any
		err := decoder.Decode(&content)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("parse YAML document %d: %w", len(objects)+1, err)
		}
		if len(content) == 0 {
			continue
		}
		object := &unstructured.Unstructured{Object: content}
		if object.GetKind() == "" || object.GetAPIVersion() == "" || object.GetName() == "" {
			return nil, fmt.Errorf("YAML document %d lacks apiVersion, kind or metadata.name", len(objects)+1)
		}
		objects = append(objects, object)
	}
}
