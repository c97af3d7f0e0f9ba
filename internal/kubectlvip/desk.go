package kubectlvip

import (
	"bytes"
	"sync"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/live"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
)

// desk supplies the pages from a world that is kept up to date. It keeps its atlas until the world changes.
type desk struct {
	// namespace is used for manifests that name none.
	namespace string

	mutex sync.Mutex
	world *live.World
	atlas *view.Atlas
	// problem is why there is no world.
	problem error
}

// show replaces the world. The next request reads the facts anew.
func (d *desk) show(world *live.World) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.world, d.atlas, d.problem = world, nil, nil
}

// fail records why there is no world.
func (d *desk) fail(problem error) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.world, d.atlas, d.problem = nil, nil, problem
}

// latest returns the world and the atlas made from it, or why there is no world.
func (d *desk) latest() (*live.World, *view.Atlas, error) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if d.world == nil {
		return nil, nil, d.problem
	}
	if d.atlas == nil {
		d.atlas = view.NewAtlas(d.world.Facts())
	}
	return d.world, d.atlas, nil
}

// Atlas implements serve.Source.
func (d *desk) Atlas() (*view.Atlas, error) {
	_, atlas, err := d.latest()
	return atlas, err
}

// Plan implements serve.Source.
func (d *desk) Plan(manifest []byte) ([]view.ClusterPlan, error) {
	clusters, err := clustersIn(bytes.NewReader(manifest), d.namespace)
	if err != nil {
		return nil, err
	}
	world, atlas, err := d.latest()
	if err != nil {
		return nil, err
	}
	fork, err := world.Fork()
	if err != nil {
		return nil, err
	}
	return plansOf(fork, clusters, atlas.Facts().Now)
}
