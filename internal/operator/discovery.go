package operator

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
)

// The versions that the operator can use of each neighbour, best first.
var (
	clusterVersions = []string{"v1beta2", "v1beta1"}
	ipamVersions    = []string{"v1beta2", "v1beta1"}
	poolVersions    = []string{"v1alpha2"}
)

// apiFinder finds out which versions of the neighbours' kinds are served.
type apiFinder struct {
	discovery discovery.ServerResourcesInterface
	logger    *slog.Logger
}

// find returns the versions to use, and the kinds that no usable version serves; an API with missing kinds is not
// complete. The error is that of an API server that did not answer.
func (f *apiFinder) find() (capi.API, []string, error) {
	var api capi.API
	var missing []string
	for _, group := range []struct {
		name     string
		versions []string
		kinds    []string
		found    *schema.GroupVersion
	}{
		{capi.ClusterGroup, clusterVersions, []string{capi.KindCluster}, &api.Cluster},
		{capi.IPAMGroup, ipamVersions, []string{capi.KindClaim, capi.KindAddress}, &api.IPAM},
		{capi.IPAMGroup, poolVersions, []string{capi.KindPool, capi.KindGlobalPool}, &api.Pools},
	} {
		version, err := f.serving(group.name, group.versions, group.kinds)
		if err != nil {
			return api, nil, err
		}
		if version == "" {
			missing = append(missing, fmt.Sprintf("%s (%s %s)", strings.Join(group.kinds, " and "), group.name, strings.Join(group.versions, " or ")))
			continue
		}
		*group.found = schema.GroupVersion{Group: group.name, Version: version}
	}
	return api, missing, nil
}

// serving returns the first of the versions of a group that serves all kinds, or "".
func (f *apiFinder) serving(group string, versions, kinds []string) (string, error) {
	for _, version := range versions {
		gv := schema.GroupVersion{Group: group, Version: version}.String()
		resources, err := f.discovery.ServerResourcesForGroupVersion(gv)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("ask what %s serves: %w", gv, err)
		}
		served := func(kind string) bool {
			for i := range resources.APIResources {
				if resources.APIResources[i].Kind == kind {
					return true
				}
			}
			return false
		}
		if !slices.ContainsFunc(kinds, func(kind string) bool { return !served(kind) }) {
			return version, nil
		}
	}
	return "", nil
}

// await returns the versions to use as soon as all kinds are served. It says once what it waits for, and again when
// that changes. It asks every period, and returns the error of ctx when that ends first.
func (f *apiFinder) await(ctx context.Context, period time.Duration) (capi.API, error) {
	var found capi.API
	var said string
	err := wait.PollUntilContextCancel(ctx, period, true, func(context.Context) (bool, error) {
		api, missing, err := f.find()
		waitsFor := "the API server"
		switch {
		case err == nil && len(missing) == 0:
			found = api
			return true, nil
		case err == nil:
			waitsFor = strings.Join(missing, ", ")
		}
		if waitsFor != said {
			f.logger.Info("waiting for APIs that are not served yet; install Cluster API and its in-cluster IPAM provider",
				slog.String("missing", waitsFor), slog.Any(errorKey, err))
			said = waitsFor
		}
		return false, nil
	})
	return found, err
}

// watch returns when other versions are to be used than those given, or ctx ends. It asks every period; an API server
// that does not answer changes nothing.
func (f *apiFinder) watch(ctx context.Context, used capi.API, period time.Duration) {
	_ = wait.PollUntilContextCancel(ctx, period, false, func(context.Context) (bool, error) { // the only error is ctx's
		api, missing, err := f.find()
		if unchanged := len(missing) == 0 && api == used; err != nil || unchanged {
			return false, nil //nolint:nilerr // see above
		}
		f.logger.Info("the served APIs have changed, starting over", slog.Any("missing", missing),
			slog.String("used", used.String()), slog.String("served", api.String()))
		return true, nil
	})
}
