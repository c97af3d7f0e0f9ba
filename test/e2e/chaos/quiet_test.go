package chaos

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// settling is how long the operator may keep writing once everything is as it must be: the last messages of
// conditions.
const settling = 30 * time.Second

// quiet ends all faults, waits until everything is as it must be, and then until the operator has nothing more to
// write.
func (c *chaos) quiet() {
	disturbed := c.disturbed
	c.repair()
	if c.failure != nil {
		return
	}
	c.logf("wait until all is quiet")
	begin := time.Now()
	ctx, cancel := context.WithTimeout(c.t.Context(), calm+settling)
	defer cancel()
	if c.failure = c.awaitQuiet(ctx); c.failure != nil {
		return
	}
	took := time.Since(begin)
	c.logf("quiet after %s", took.Round(time.Millisecond))
	c.report.quiet(took, disturbed)
	c.model.quiet()
}

func (c *chaos) awaitQuiet(ctx context.Context) error {
	if err := c.fleet.healthy(ctx); err != nil {
		return fmt.Errorf("the operator does not come back: %w", err)
	}
	if err := c.errands.Wait(); err != nil {
		return fmt.Errorf("create a Cluster anew: %w", err)
	}
	c.errands = &errgroup.Group{}
	if err := c.Await(ctx, c.asItHasToBe); err != nil {
		return fmt.Errorf("not all is as it has to be: %w", err)
	}
	if err := c.settled(ctx); err != nil {
		return err
	}
	if err := c.always(ctx); err != nil {
		return err
	}
	return c.fleet.broken()
}

// settled waits until the operator has looked at everything once more and has written nothing.
func (c *chaos) settled(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settling)
	defer cancel()
	return plane.Eventually(ctx, func(ctx context.Context) error {
		mark, err := c.Plane.Audit().Mark(ctx)
		if err != nil {
			return err
		}
		leader, before, err := c.fleet.handled(ctx)
		if err != nil {
			return err
		}
		enough := before + float64(len(c.ClustersIn(""))+1)
		err = plane.Eventually(ctx, func(ctx context.Context) error {
			now, count, err := c.fleet.handled(ctx)
			switch {
			case err != nil:
				return err
			case now != leader:
				return plane.Final(errors.New("another leads"))
			case count < enough:
				return fmt.Errorf("the operator handles nothing: %g of %g", count, enough)
			}
			return nil
		})
		if err != nil {
			return err
		}
		entries, err := c.Plane.Audit().Since(ctx, mark)
		if err != nil {
			return err
		}
		if writes := ours(entries); len(writes) > 0 {
			return fmt.Errorf("the operator still writes: %s", describe(writes))
		}
		if err := c.asItHasToBe(); err != nil {
			return err
		}
		c.report.checked("a settled operator writes nothing", 1)
		return nil
	})
}

// ours returns the operator's writes except for its Lease and its events.
func ours(entries plane.Entries) plane.Entries {
	return entries.Writes().Filter(func(e plane.Entry) bool {
		return strings.HasPrefix(e.User, harness.User) && e.Resource != "leases" && e.Resource != "events"
	})
}

func describe(entries plane.Entries) string {
	var texts []string
	for _, e := range entries {
		texts = append(texts, fmt.Sprintf("%s %s/%s (%d)", e.Request(), e.Namespace, e.Name, e.Code))
	}
	return strings.Join(texts, ", ")
}

// always checks what must have held at every moment since the case began.
func (c *chaos) always(ctx context.Context) error {
	if breaches := c.guard.Breaches(); len(breaches) > 0 {
		return fmt.Errorf("an invariant was broken: %s", strings.Join(breaches, "; "))
	}
	entries, err := c.Plane.Audit().Since(ctx, c.since)
	if err != nil {
		return err
	}
	foreigners := map[string]foreign{}
	for _, k := range c.clusters {
		if k.foreign != "" {
			foreigners[k.name] = k.foreign
		}
	}
	writes := ours(entries)
	for _, e := range writes {
		if e.Resource != "clusters" && e.Resource != "ipaddressclaims" {
			return fmt.Errorf("the operator wrote what is not its own: %s", describe(plane.Entries{e}))
		}
		why, ok := foreigners[e.Name]
		if ok && e.Namespace == c.name && e.Resource == "clusters" && (why != noPool || e.Subresource != "status") {
			return fmt.Errorf("the operator wrote to a Cluster with %s: %s", why, describe(plane.Entries{e}))
		}
	}
	if err := c.notEarly(entries); err != nil {
		return err
	}
	c.report.checked("writes of the operator were its own", len(writes))
	c.report.checked("no address twice, no host overwritten, host with port, one claim for a role", 1)
	return nil
}

// notEarly checks that no address went back before Cluster API had finished with its Cluster, unless a user or the
// garbage collector has also deleted a claim of that name.
func (c *chaos) notEarly(entries plane.Entries) error {
	operator, others := map[string]bool{}, map[string]bool{}
	for _, e := range entries.Writes() {
		switch {
		case e.Resource != "ipaddressclaims" || e.Verb != "delete" || e.Namespace != c.name:
		case strings.HasPrefix(e.User, harness.User):
			operator[e.Name] = true
		default:
			others[e.Name] = true
		}
	}
	for _, early := range c.guard.EarlyReleases() {
		if early.Namespace == c.name && operator[early.Claim] && !others[early.Claim] {
			return fmt.Errorf("the operator released claim %s while Cluster API still had its Cluster", early.Claim)
		}
	}
	return nil
}

// leave deletes everything, and waits until nothing is left and all addresses are back.
func (c *chaos) leave(ctx context.Context) error {
	c.logf("delete everything")
	for _, k := range c.clusters {
		if k.held {
			if err := c.repeat(ctx, func() error { return c.Plane.ReleaseDeletion(ctx, c.name, k.name) }); err != nil {
				return err
			}
		}
		k.held = false
		err := c.repeat(ctx, func() error {
			if k.paused {
				unpaused := map[string]any{"spec": map[string]any{"paused": false}, "metadata": map[string]any{
					"annotations": map[string]any{names.Paused: nil},
				}}
				if err := c.patch(ctx, k.name, unpaused); err != nil {
					return err
				}
			}
			return c.remove(ctx, k.name, metav1.DeletePropagationBackground)
		})
		if err != nil {
			return err
		}
	}
	for _, claim := range c.ClaimsIn(c.name) {
		if claim.Owner() == "" {
			if err := c.repeat(
				ctx, func() error { return harness.Delete(ctx, c.Claims(c.name), claim.GetName()) },
			); err != nil {
				return err
			}
		}
	}
	if err := c.Await(ctx, c.nothingLeft); err != nil {
		return fmt.Errorf("something is left: %w", err)
	}
	if err := c.always(ctx); err != nil {
		return err
	}
	for _, p := range c.pools {
		if err := c.repeat(ctx, func() error { return harness.Delete(ctx, c.Pools(p.namespace), p.name) }); err != nil {
			return err
		}
	}
	c.report.checked("nothing is left of a case, and all addresses are back", 1)
	return nil
}

func (c *chaos) nothingLeft() error {
	for _, cluster := range c.ClustersIn(c.name) {
		return fmt.Errorf("Cluster %s with the finalizers %v", cluster.GetName(), cluster.GetFinalizers())
	}
	for _, claim := range c.ClaimsIn(c.name) {
		return fmt.Errorf("claim %s with the finalizers %v", claim.GetName(), claim.GetFinalizers())
	}
	for _, address := range c.AddressesIn(c.name) {
		return fmt.Errorf("IPAddress %s", address.GetName())
	}
	for _, p := range c.pools {
		if capacity, _ := c.Capacity(p.namespace, p.name); capacity.Used != 0 {
			return fmt.Errorf("pool %s reports %d used addresses", p.name, capacity.Used)
		}
	}
	return nil
}

// dump logs what explains a failure: the objects of the case, and what the operator said of it.
func (c *chaos) dump() {
	var b strings.Builder
	show := func(object map[string]any) {
		if metadata, ok := object["metadata"].(map[string]any); ok {
			delete(metadata, "managedFields")
		}
		text, _ := yaml.Marshal(object) // what came as YAML can be written as YAML
		fmt.Fprintf(&b, "---\n%s", text)
	}
	for _, cluster := range c.ClustersIn(c.name) {
		show(cluster.DeepCopy().Object)
	}
	for _, k := range c.clusters {
		if k.state == alive && c.Cluster(c.name, k.name) == nil {
			fmt.Fprintf(&b, "--- Cluster %s is not there\n%s", k.name, c.history(k.name))
		}
	}
	for _, claim := range c.ClaimsIn(c.name) {
		show(claim.DeepCopy().Object)
	}
	for _, address := range c.AddressesIn(c.name) {
		fmt.Fprintf(&b, "--- IPAddress %s: %s from %s for claim %s\n",
			address.GetName(), address.Value(), address.Pool(), address.Claim())
		if c.Claim(c.name, address.Claim()) == nil {
			show(address.DeepCopy().Object)
			b.WriteString(c.history(address.GetName()))
		}
	}
	for _, p := range c.pools {
		capacity, known := c.Capacity(p.namespace, p.name)
		fmt.Fprintf(&b, "--- pool %s: %+v (known: %t), model %+v\n", p.name, capacity, known, *p)
	}
	for _, component := range c.Plane.Status() {
		fmt.Fprintf(&b, "--- %s (runs: %t) said at its end:\n%s\n",
			component.Name, component.Running, component.LogTail(5))
	}
	for _, r := range c.fleet.replicas {
		var about []string
		for _, line := range r.current().Logs() {
			if strings.Contains(line.Raw, c.name) {
				about = append(about, line.Raw)
			}
		}
		fmt.Fprintf(&b, "--- %s (leads: %t) about the case:\n%s\n--- and at its end:\n%s", r.user, r.leads(),
			strings.Join(slices.Clone(about[max(len(about)-60, 0):]), "\n"), r.current().LogTail(15))
	}
	c.t.Log(b.String())
}

// history returns who wrote to a name: a Cluster, or a claim and its IPAddress.
func (c *chaos) history(name string) string {
	var b strings.Builder
	entries, err := c.Plane.Audit().Since(context.Background(), c.since)
	if err != nil {
		return err.Error() + "\n"
	}
	for _, e := range entries.Writes() {
		if e.Namespace == c.name && e.Name == name {
			fmt.Fprintf(&b, "%s %s: %s %s (%d, %s)\n",
				e.Time.Format(time.StampMilli), e.User, e.Request(), e.Name, e.Code, e.Duration)
		}
	}
	return b.String()
}
