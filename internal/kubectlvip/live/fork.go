package live

import (
	"fmt"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/state"
)

// Fork returns an independent copy of this world: neither sees what is written into the other's store. It sends no
// request to the cluster.
func (w *World) Fork() (*World, error) {
	fork := *w
	_, informers, err := fork.sources(w.reader.config)
	if err != nil {
		return nil, err
	}
	from := w.Store.All()
	for i, to := range informers.All() { // made by the same function, so in the same order
		if err := to.GetStore().Replace(from[i].GetStore().List(), ""); err != nil {
			return nil, fmt.Errorf("copy what was read: %w", err)
		}
	}
	if fork.Store, err = state.NewStore(informers); err != nil {
		return nil, err
	}
	observeServed(fork.Store)
	return &fork, nil
}

// observeServed tells a store which pools were served when, as far as its addresses show.
func observeServed(store *state.Store) {
	for _, object := range store.Addresses.GetStore().List() {
		if address, ok := object.(*capi.Address); ok {
			store.ObserveServed(address.Spec.PoolRef.Snapshot(), address.Namespace, address.CreationTimestamp.Time)
		}
	}
}
