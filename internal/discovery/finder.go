// Package discovery finds out which versions of other projects' kinds an API server serves, and which to use.
package discovery

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// The versions that the allocator supports, best first.
var (
	clusterVersions = []string{"v1beta2", "v1beta1"}
	ipamVersions    = []string{"v1beta2", "v1beta1"}
	poolVersions    = []string{"v1alpha2"}
)

// Finder finds out which versions are served.
type Finder struct {
	Discovery discovery.ServerResourcesInterface
	// PoolKinds are the pool kinds of other providers to look for. Nothing waits for them: they are used when served.
	PoolKinds []schema.GroupVersionKind
	// DNS says whether to look for the kind that holds DNS records; nothing waits for it either.
	DNS bool
	// Logger is for Await and Watch; Find logs nothing.
	Logger *slog.Logger
}

// Find returns the versions to use and the missing kinds, which no usable version serves. With missing kinds the API
// is incomplete. An error means that the API server did not answer.
func (f *Finder) Find() (capi.API, []string, error) {
	var api capi.API
	var missing []string
	for _, group := range []struct {
		name     string
		versions []string
		kinds    []string
		found    *schema.GroupVersion
	}{
		{capi.ClusterGroup, clusterVersions, []string{capi.KindCluster, capi.KindClusterClass}, &api.Cluster},
		{capi.IPAMGroup, ipamVersions, []string{capi.KindClaim, capi.KindAddress}, &api.IPAM},
		{capi.IPAMGroup, poolVersions, []string{capi.KindPool, capi.KindGlobalPool}, &api.Pools},
	} {
		version, err := f.Serving(group.name, group.versions, group.kinds)
		if err != nil {
			return api, nil, err
		}
		if version == "" {
			missing = append(missing, fmt.Sprintf("%s (%s %s)", strings.Join(group.kinds, " and "), group.name,
				strings.Join(group.versions, " or ")))
			continue
		}
		*group.found = schema.GroupVersion{Group: group.name, Version: version}
	}
	for _, kind := range f.PoolKinds {
		resource, ok, err := f.resource(kind)
		if err != nil {
			return api, nil, err
		}
		if ok {
			api.OtherPools = append(api.OtherPools, resource)
		}
	}
	if f.DNS {
		resource, ok, err := f.resource(capi.DNSEndpointKind)
		if err != nil {
			return api, nil, err
		}
		if ok {
			api.DNS = &resource
		}
	}
	return api, missing, nil
}

// resource returns a kind's resource, and whether it is served.
func (f *Finder) resource(kind schema.GroupVersionKind) (capi.Resource, bool, error) {
	resources, err := f.resources(kind.GroupVersion())
	if err != nil {
		return capi.Resource{}, false, err
	}
	for i := range resources {
		if served := &resources[i]; served.Kind == kind.Kind && !strings.Contains(served.Name, "/") {
			return capi.Resource{GroupVersionKind: kind, Plural: served.Name, Namespaced: served.Namespaced}, true, nil
		}
	}
	return capi.Resource{}, false, nil
}

// resources returns the resources of a group version; nil if it is not served.
func (f *Finder) resources(gv schema.GroupVersion) ([]metav1.APIResource, error) {
	list, err := f.Discovery.ServerResourcesForGroupVersion(gv.String())
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ask what %s serves: %w", gv, err)
	}
	return list.APIResources, nil
}

// Serving returns the first of a group's versions that serves all kinds, or "".
func (f *Finder) Serving(group string, versions, kinds []string) (string, error) {
	for _, version := range versions {
		resources, err := f.resources(schema.GroupVersion{Group: group, Version: version})
		if err != nil {
			return "", err
		}
		served := func(kind string) bool {
			return slices.ContainsFunc(resources, func(r metav1.APIResource) bool { return r.Kind == kind })
		}
		if !slices.ContainsFunc(kinds, func(kind string) bool { return !served(kind) }) {
			return version, nil
		}
	}
	return "", nil
}

// Await polls every period and returns the versions to use once all kinds are served. It logs what it waits for, once
// and whenever that changes. If ctx ends first, Await returns its error.
func (f *Finder) Await(ctx context.Context, period time.Duration) (capi.API, error) {
	var found capi.API
	var said string
	err := wait.PollUntilContextCancel(ctx, period, true, func(context.Context) (bool, error) {
		api, missing, err := f.Find()
		waitsFor := "the API server"
		switch {
		case err == nil && len(missing) == 0:
			found = api
			return true, nil
		case err == nil:
			waitsFor = strings.Join(missing, ", ")
		}
		if waitsFor != said {
			f.Logger.Info("waiting for APIs that are not served yet; "+
				"install Cluster API and its in-cluster IPAM provider",
				slog.String("missing", waitsFor), slog.Any(names.ErrorKey, err))
			said = waitsFor
		}
		return false, nil
	})
	return found, err
}

// Watch polls every period and returns when the versions to use differ from those given, or ctx ends. It ignores an
// API server that does not answer.
func (f *Finder) Watch(ctx context.Context, used capi.API, period time.Duration) {
	_ = wait.PollUntilContextCancel(ctx, period, false, func(context.Context) (bool, error) { // ctx's is the only error
		api, missing, err := f.Find()
		if unchanged := len(missing) == 0 && api.String() == used.String(); err != nil || unchanged {
			return false, nil //nolint:nilerr // see above
		}
		f.Logger.Info("the served APIs have changed, starting over", slog.Any("missing", missing),
			slog.String("used", used.String()), slog.String("served", api.String()))
		return true, nil
	})
}
