package scale

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
	"github.com/gorizond/capi-vip-allocator/test/perf/measure"
)

// asks is how often each question is put to the plugin.
const asks = 9

// plugin asks the plugin for all Clusters, and for what is wrong with them. The plugin reads everything anew each
// time.
func (g *rig) plugin(ctx context.Context, f *figures) error {
	g.say("  asking kubectl vip")
	kubeconfig, err := g.plane.Kubeconfig(plane.Admin())
	if err != nil {
		return err
	}
	ask := func(sample *measure.Sample[time.Duration], args ...string) error {
		var out, errOut bytes.Buffer
		begin := time.Now()
		code := kubectlvip.Run(ctx, append(args, "--kubeconfig="+kubeconfig),
			genericiooptions.IOStreams{Out: &out, ErrOut: &errOut})
		*sample = append(*sample, time.Since(begin))
		if code > kubectlvip.ExitFound || out.Len() == 0 {
			return fmt.Errorf("kubectl vip %v ends with %d: %s", args, code, errOut.String())
		}
		return nil
	}
	for range asks {
		if err := ask(&f.lists, "list", "-A"); err != nil {
			return err
		}
		if err := ask(&f.checks, "check"); err != nil {
			return err
		}
		fetch, err := g.fetch(ctx)
		if err != nil {
			return fmt.Errorf("fetch the lists: %w", err)
		}
		f.fetches = append(f.fetches, fetch)
	}
	return nil
}
