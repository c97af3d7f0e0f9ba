package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/time/rate"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
	"github.com/gorizond/capi-vip-allocator/test/perf/measure"
)

const (
	// lies is how many of the allocator's annotations a hostile Cluster has: ten times as many as the operator reads.
	// The API server accepts five times as many, but then others wait minutes for it and Cluster API.
	lies = 600
	// editsPerSecond is how often the hostile tenant changes one of its Clusters. For each change the API server
	// stores and sends the whole object: a higher rate would measure the API server.
	editsPerSecond = 5
	// memoryLimit is the operator's memory in the chart, in bytes.
	memoryLimit = 512 << 20
)

// siege is how one tenant's Clusters fare beside those of a hostile one.
type siege struct {
	quiet, crowded, edited measure.Sample[time.Duration]
	before, after          harness.Usage
	edits                  int
}

// hostile serves Clusters one after the other: on a quiet plane, then with the requested number of hostile Clusters
// in another namespace, each of which names hundreds of the pool's free addresses, and last while their tenant keeps
// editing them.
func (b *bench) hostile(ctx context.Context) (*siege, error) {
	run, err := b.begin(ctx, true)
	if err != nil {
		return nil, err
	}
	defer run.abandon()
	s := &siege{}
	b.say("%d Clusters one after the other, on a quiet plane", b.options.singles)
	if s.quiet, err = run.serve(ctx, 0); err != nil {
		return nil, err
	}
	if s.before, err = run.operator.Usage(); err != nil {
		return nil, err
	}
	b.say("%d hostile Clusters", b.options.hostile)
	tenant := &hostileTenant{run: run, namespace: run.scene.name + "-hostile"}
	if err := tenant.create(ctx); err != nil {
		return nil, err
	}
	if err := b.quiet(ctx); err != nil { // Cluster API has work of its own with them
		return nil, err
	}
	b.say("%d Clusters one after the other, beside them", b.options.singles)
	if s.crowded, err = run.serve(ctx, b.options.singles); err != nil {
		return nil, err
	}
	b.say("%d Clusters one after the other, while they change", b.options.singles)
	stop := tenant.edit(ctx)
	s.edited, err = run.serve(ctx, 2*b.options.singles)
	if s.edits, err = stop(err); err != nil {
		return nil, err
	}
	s.after, err = run.operator.Usage()
	return s, err
}

// serve creates Clusters one after the other and returns how long each took to get its endpoint.
func (r *run) serve(ctx context.Context, first int) (measure.Sample[time.Duration], error) {
	var waits measure.Sample[time.Duration]
	for i := first; i < first+r.bench.options.singles; i++ {
		if err := r.createServed(ctx, i); err != nil {
			return nil, err
		}
		served := r.seen.one(clusterName(i))
		waits = append(waits, served.toEndpoint())
	}
	return waits, nil
}

// hostileTenant may create Clusters in one namespace, and wants to keep others from being served.
type hostileTenant struct {
	run       *run
	namespace string
}

func hostileName(i int) string { return fmt.Sprintf("hostile-%04d", i) }

func (t *hostileTenant) create(ctx context.Context) error {
	manifest := fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}\n", t.namespace)
	if _, err := plane.ApplyYAML(ctx, t.run.bench.plane.Config(), manifest); err != nil {
		return fmt.Errorf("prepare the hostile tenant: %w", err)
	}
	return atOnce(ctx, t.run.bench.options.hostile, func(ctx context.Context, i int) error {
		_, err := t.run.bench.client.Resource(resources()[clustersResource]).Namespace(t.namespace).
			Create(ctx, t.cluster(i), metav1.CreateOptions{})
		if err != nil {
			return fmt.Errorf("create hostile Cluster %d: %w", i, err)
		}
		return nil
	})
}

// cluster returns a Cluster without a topology whose annotations name the first addresses of the scene's pool, which
// others get next.
func (t *hostileTenant) cluster(i int) *unstructured.Unstructured {
	annotations := make(map[string]string, lies)
	for n := range lies {
		annotations[names.Annotation(fmt.Sprintf("r%d", n))] = fmt.Sprintf("10.%d.%d.%d", t.run.bench.scenes,
			n/254, 1+n%254)
	}
	cluster := harness.NewCluster{Namespace: t.namespace, Name: hostileName(i), Annotations: annotations}
	return cluster.Manifests(resources()[clustersResource].Version)[0]
}

// edit changes one Cluster after another until the returned function is called. That returns the number of changes,
// and what went wrong here or before.
func (t *hostileTenant) edit(ctx context.Context) func(error) (int, error) {
	ctx, cancel := context.WithCancel(ctx)
	type outcome struct {
		edits int
		err   error
	}
	ended := make(chan outcome, 1)
	go func() {
		limiter, o := rate.NewLimiter(editsPerSecond, 1), outcome{}
		for ; limiter.Wait(ctx) == nil; o.edits++ {
			address := fmt.Sprintf("10.255.%d.%d", o.edits/250, 1+o.edits%250)
			patch := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, names.Annotation("r0"), address)
			_, err := t.run.bench.client.Resource(resources()[clustersResource]).Namespace(t.namespace).
				Patch(ctx, hostileName(o.edits%t.run.bench.options.hostile), types.MergePatchType, patch,
					metav1.PatchOptions{})
			if err != nil && ctx.Err() == nil {
				o.err = fmt.Errorf("edit a hostile Cluster: %w", err)
				break
			}
		}
		ended <- o
	}()
	return func(err error) (int, error) {
		cancel()
		o := <-ended
		return o.edits, errors.Join(err, o.err)
	}
}

func (s *siege) rows() [][]string {
	beside := func(what string, waits measure.Sample[time.Duration]) []string {
		return []string{what, figure(waits), measure.Verdict("twice the quiet p99", waits.P99() <= 2*s.quiet.P99())}
	}
	peak := s.after.PeakRSS
	fits := measure.Verdict("512 MiB (the chart's limit)", peak <= memoryLimit)
	return [][]string{
		{"creation to endpoint, on a quiet plane", figure(s.quiet), ""},
		beside("creation to endpoint, beside hostile Clusters", s.crowded),
		beside(fmt.Sprintf("creation to endpoint, while they change (%d changes)", s.edits), s.edited),
		{"operator's memory at its peak, before them", measure.Mebibytes(s.before.PeakRSS), ""},
		{"operator's memory at its peak", measure.Mebibytes(peak), fits},
	}
}
