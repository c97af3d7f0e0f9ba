package answer

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	hooks "sigs.k8s.io/cluster-api/api/runtime/hooks/v1alpha1"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// The Cluster fields that refer to the templates, as requests name them.
const (
	holderKind         = "Cluster"
	infrastructurePath = "spec.infrastructureRef"
	controlPlanePath   = "spec.controlPlaneRef"
)

var errEmptyTemplate = errors.New("it is empty")

// endpoint is the control plane endpoint that goes into one Cluster's templates.
type endpoint struct {
	address netip.Addr
	port    int32
}

// generatePatches writes the VIP into the templates. It depends on nothing but the request, so that every replica
// returns the same patches at any time: a changed template replaces machines.
func (*extension) generatePatches(request *hooks.GeneratePatchesRequest) *hooks.GeneratePatchesResponse {
	items, err := patches(request)
	if err != nil {
		return &hooks.GeneratePatchesResponse{CommonResponse: failure(err)}
	}
	return &hooks.GeneratePatchesResponse{CommonResponse: success(""), Items: items}
}

// patches returns the patches for a request; none while the Cluster has no VIP. It refuses bad settings even then, so
// that a class's author learns of them with its first Cluster.
func patches(request *hooks.GeneratePatchesRequest) ([]hooks.GeneratePatchesResponseItem, error) {
	s, err := parseSettings(request.Settings)
	if err != nil {
		return nil, err
	}
	values, err := builtins(request.Variables)
	if err != nil {
		return nil, err
	}
	key := names.Annotation(names.RoleControlPlane)
	value := annotation(values, key)
	if value == "" {
		return nil, nil
	}
	target := endpoint{address: vip.ParseAddr(value), port: s.port}
	if !target.address.IsValid() {
		return nil, fmt.Errorf("the Cluster's annotation %s is no IP address: %q", key, value)
	}
	var items []hooks.GeneratePatchesResponseItem
	patched := map[string]bool{}
	for i := range request.Items {
		item := &request.Items[i]
		patch, err := patchItem(item, &s, target)
		if err != nil {
			return nil, fmt.Errorf("template of %s: %w", item.HolderReference.FieldPath, err)
		}
		if patch == nil {
			continue
		}
		// A Cluster has one of each. A request with many small ones would get an answer many times as large.
		if patched[item.HolderReference.FieldPath] {
			return nil, fmt.Errorf("the request has more than one template of %s", item.HolderReference.FieldPath)
		}
		patched[item.HolderReference.FieldPath] = true
		items = append(items, hooks.GeneratePatchesResponseItem{
			UID: item.UID, PatchType: hooks.JSONMergePatchType, Patch: patch,
		})
	}
	return items, nil
}

// patchItem returns the patch for one template, or nil.
func patchItem(item *hooks.GeneratePatchesRequestItem, s *settings, target endpoint) ([]byte, error) {
	if item.HolderReference.Kind != holderKind {
		return nil, nil
	}
	switch item.HolderReference.FieldPath {
	case infrastructurePath:
		if !s.infraCluster {
			return nil, nil
		}
		return change(item, func(template *unstructured.Unstructured) error { return writeEndpoint(template, target) })
	case controlPlanePath:
		if !s.kubeVIP && !s.certSANs {
			return nil, nil
		}
		values, err := builtins(item.Variables)
		if err != nil {
			return nil, err
		}
		return change(item, func(template *unstructured.Unstructured) error {
			return writeControlPlane(template, s, target, values)
		})
	default:
		return nil, nil
	}
}

// change applies a change to a template and returns it as a merge patch; nil if nothing changes.
func change(item *hooks.GeneratePatchesRequestItem, apply func(*unstructured.Unstructured) error) ([]byte, error) {
	template := &unstructured.Unstructured{}
	if err := utiljson.Unmarshal(item.Object.Raw, &template.Object); err != nil {
		return nil, fmt.Errorf("read it: %w", err)
	}
	if template.Object == nil {
		return nil, errEmptyTemplate
	}
	if err := apply(template); err != nil {
		return nil, err
	}
	changed, err := json.Marshal(template.Object)
	if err != nil {
		return nil, fmt.Errorf("write it: %w", err)
	}
	patch, err := jsonpatch.CreateMergePatch(item.Object.Raw, changed)
	if err != nil {
		return nil, fmt.Errorf("make its patch: %w", err)
	}
	if string(patch) == "{}" {
		return nil, nil
	}
	return patch, nil
}

// writeEndpoint writes the endpoint into an InfraCluster's template and overwrites what is there: a class may need a
// placeholder.
func writeEndpoint(template *unstructured.Unstructured, target endpoint) error {
	path := field("controlPlaneEndpoint")
	host := target.address.String()
	if err := unstructured.SetNestedField(template.Object, host, append(path, "host")...); err != nil {
		return err
	}
	return unstructured.SetNestedField(template.Object, int64(target.port), append(path, "port")...)
}
