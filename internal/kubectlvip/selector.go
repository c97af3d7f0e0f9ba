package kubectlvip

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/live"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
)

// selectorFlag adds the flag that selects objects by their labels.
func selectorFlag(command *cobra.Command, selector *string) {
	command.Flags().StringVarP(selector, "selector", "l", "",
		"Only those whose labels match, as kubectl has it: key=value,key!=value,key in (a,b),key,!key.")
}

// checkSelector rejects a selector next to arguments, and a malformed one, before anything is read.
func checkSelector(selector string, arguments []string) error {
	if selector != "" && len(arguments) > 0 {
		return badInput(errors.New("names and --selector exclude each other"))
	}
	if _, err := labels.Parse(selector); err != nil {
		return badInput(fmt.Errorf("--selector: %w", err))
	}
	return nil
}

// selectClusters keeps the Clusters that a selector matches.
func selectClusters(
	ctx context.Context, world *live.World, scope, selector string, clusters []view.Cluster,
) ([]view.Cluster, error) {
	if selector == "" {
		return clusters, nil
	}
	matching, err := world.Matching(ctx, false, scope, selector)
	if err != nil {
		return nil, noCluster(err)
	}
	return slices.DeleteFunc(slices.Clone(clusters), func(c view.Cluster) bool {
		return !matching[live.Named{Kind: capi.KindCluster, Namespace: c.Namespace, Name: c.Name}]
	}), nil
}

// selectPools keeps the pools that a selector matches.
func selectPools(
	ctx context.Context, world *live.World, scope, selector string, pools []view.Pool,
) ([]view.Pool, error) {
	if selector == "" {
		return pools, nil
	}
	matching, err := world.Matching(ctx, true, scope, selector)
	if err != nil {
		return nil, noCluster(err)
	}
	return slices.DeleteFunc(slices.Clone(pools), func(p view.Pool) bool {
		return !matching[live.Named{Kind: p.Kind, Namespace: p.Namespace, Name: p.Name}]
	}), nil
}
