package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

func clusters() []string { return []string{restored, deleted, provided} }

// serve creates the Clusters and shows how they get their VIPs.
func (d *demo) serve(ctx context.Context) error {
	if d.out.terminal {
		d.show()
	}
	// Applied in the background, so that the table shows the Clusters as they come.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		if err := d.apply(ctx, "clusters.yaml"); err != nil {
			cancel(err)
		}
	}()
	told := map[string]bool{}
	err := d.await(ctx, "not every Cluster got its VIPs", func() error {
		if d.out.terminal {
			d.show()
		}
		var missing error
		for _, name := range clusters() {
			if err := d.served(name); err != nil {
				missing = err
			} else if !told[name] && !d.out.terminal {
				told[name] = true
				known := d.tracks.of(name)
				d.out.line("%s is served, %s ms after its creation.", name, millis(known.served.Sub(known.created)))
			}
		}
		return missing
	})
	d.show()
	return errors.Join(err, context.Cause(ctx))
}

// show draws the table of Clusters.
func (d *demo) show() {
	rows := [][]string{header()}
	for _, name := range clusters() {
		rows = append(rows, row(name, d.world.Cluster(namespace, name), d.tracks.of(name)))
	}
	d.out.table(rows)
}

// served returns an error that says what a Cluster lacks, or nil.
func (d *demo) served(name string) error {
	cluster := d.world.Cluster(namespace, name)
	if cluster == nil {
		return fmt.Errorf("%s does not exist", name)
	}
	if cluster.Endpoint().Host == "" || cluster.VIP(names.RoleIngress) == "" {
		return fmt.Errorf("%s has no VIPs: %s", name, conditions(cluster))
	}
	for _, role := range []string{names.RoleControlPlane, names.RoleIngress} {
		if condition := cluster.Condition(role); condition == nil || condition.Status != "True" {
			return fmt.Errorf("%s is not ready: %s", name, conditions(cluster))
		}
	}
	return nil
}

// keepsHost shows the Cluster that needs no VIP for its control plane.
func (d *demo) keepsHost(context.Context) error {
	cluster := d.world.Cluster(namespace, provided)
	condition := cluster.Condition(names.RoleControlPlane)
	if condition.Reason != names.ReasonEndpointProvided {
		return fmt.Errorf("%s shows %s instead of %s", provided, condition.Reason, names.ReasonEndpointProvided)
	}
	if claim := d.world.Claim(namespace, names.ClaimName(provided, names.RoleControlPlane)); claim != nil {
		return fmt.Errorf("claim %s was made for an endpoint that someone else provided", claim.GetName())
	}
	d.out.line("%s is True, %s; there is no claim for it.", condition.Type, condition.Reason)
	return nil
}

// restore removes an annotation and waits until it is back.
func (d *demo) restore(ctx context.Context) error {
	key := names.Annotation(names.RoleIngress)
	before := d.world.Cluster(namespace, restored).VIP(names.RoleIngress)
	patch := map[string]any{"metadata": map[string]any{"annotations": map[string]any{key: nil}}}
	if err := harness.Merge(ctx, d.world.Clusters(namespace), restored, patch); err != nil {
		return fmt.Errorf("remove the annotation: %w", err)
	}
	err := d.await(ctx, "the annotation did not come back", func() error {
		if d.tracks.of(restored).restored.IsZero() {
			return errors.New("the Cluster is without it")
		}
		return nil
	})
	if err != nil {
		return err
	}
	known, after := d.tracks.of(restored), d.world.Cluster(namespace, restored).VIP(names.RoleIngress)
	if after != before {
		return fmt.Errorf("the annotation came back as %q instead of %q", after, before)
	}
	d.out.line("%s=%s is back after %s ms.", key, after, millis(known.restored.Sub(known.lost)))
	return nil
}

// release deletes a Cluster and waits until its addresses are back in the pools.
func (d *demo) release(ctx context.Context) error {
	pools := []string{controlPlanePool, ingressPool}
	before := map[string]harness.Capacity{}
	err := d.await(ctx, "the IPAM provider has not counted what is in use", func() error {
		for pool, used := range map[string]int{controlPlanePool: 2, ingressPool: 3} {
			if before[pool], _ = d.world.Capacity("", pool); before[pool].Used != used {
				return fmt.Errorf("pool %s says %d addresses in use instead of %d", pool, before[pool].Used, used)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	asked := time.Now()
	if err := harness.Delete(ctx, d.world.Clusters(namespace), deleted); err != nil {
		return fmt.Errorf("delete the Cluster: %w", err)
	}
	err = d.await(ctx, "the addresses did not come back", func() error {
		if d.world.Cluster(namespace, deleted) != nil {
			return fmt.Errorf("%s still exists", deleted)
		}
		for _, pool := range pools {
			if now, _ := d.world.Capacity("", pool); now.Used != before[pool].Used-1 {
				return fmt.Errorf("pool %s says %d addresses in use instead of %d", pool, now.Used, before[pool].Used-1)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	back := time.Now()
	rows := [][]string{{"POOL", "USED", "FREE"}}
	for _, pool := range pools {
		after, _ := d.world.Capacity("", pool)
		rows = append(rows, []string{
			pool, fmt.Sprintf("%d -> %d", before[pool].Used, after.Used),
			fmt.Sprintf("%d -> %d", before[pool].Free, after.Free),
		})
	}
	d.out.table(rows)
	finished := d.tracks.of(deleted).finished
	if finished.IsZero() {
		return errors.New(
			"the Cluster was gone before Cluster API had been seen to finish: its addresses were not held until then",
		)
	}
	d.out.line("Cluster API was done %s ms after the request, the addresses were back %s ms later.",
		millis(finished.Sub(asked)), millis(back.Sub(finished)))
	return nil
}

// stay keeps everything running and says how to look at it.
func (d *demo) stay(ctx context.Context) error {
	kubeconfig, err := d.plane.Kubeconfig(plane.Admin())
	if err != nil {
		return err
	}
	key := names.Annotation(names.RoleIngress)
	d.out.printf("\nIt stays up until Ctrl-C. In another terminal:\n\n")
	d.out.line("export KUBECONFIG=%s", kubeconfig)
	for _, hint := range [][2]string{
		{"conditions and events of a Cluster", "kubectl describe cluster -n demo berlin"},
		{"one claim for each VIP", "kubectl get ipaddressclaims.ipam.cluster.x-k8s.io -A"},
		{"addresses in use and free", "kubectl get globalinclusterippools"},
		{"it comes back at once", "kubectl annotate cluster -n demo berlin " + key + "-"},
		{"its addresses go back", "kubectl delete cluster -n demo berlin"},
		{"all three again", "kubectl apply -f " + d.options.examples + "/clusters.yaml"},
	} {
		d.out.line("%-75s # %s", hint[1], hint[0])
	}
	d.out.printf("\n%sLogs: %s; the allocator's is capi-vip-allocator.log\n",
		indent, filepath.Join(d.plane.Dir(), "logs"))
	select {
	case <-ctx.Done():
		d.out.printf("\nStopping.\n")
	case <-d.operator.Exited():
		if ctx.Err() == nil {
			return fmt.Errorf("the operator ended by itself with code %d", d.operator.ExitCode())
		}
	}
	return nil
}
