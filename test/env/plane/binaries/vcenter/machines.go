package main

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// machine is a clone, as the list tells of it.
type machine struct {
	Name      string    `json:"name"`
	Power     string    `json:"power"`
	Addresses []string  `json:"addresses,omitempty"`
	Cloned    time.Time `json:"cloned"`
	// Removed is when the machine was destroyed; zero while it is there.
	Removed time.Time `json:"removed,omitzero"`
	// Guest is the guest information as it is set on the machine, by key.
	Guest map[string]string `json:"guest,omitempty"`
}

// machines knows all clones, also those that are gone.
type machines struct {
	registry *simulator.Registry

	mu    sync.Mutex
	known map[types.ManagedObjectReference]*machine
	order []types.ManagedObjectReference
}

// Reference implements simulator.RegisterObject.
func (m *machines) Reference() types.ManagedObjectReference {
	return types.ManagedObjectReference{Type: "Machines", Value: "machines"}
}

// PutObject implements simulator.RegisterObject; a clone is added when it is complete.
func (m *machines) PutObject(*simulator.Context, mo.Reference) {}

// UpdateObject implements simulator.RegisterObject.
func (m *machines) UpdateObject(*simulator.Context, mo.Reference, []types.PropertyChange) {}

// RemoveObject implements simulator.RegisterObject.
func (m *machines) RemoveObject(_ *simulator.Context, reference types.ManagedObjectReference) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known := m.known[reference]; known != nil {
		known.Removed = time.Now()
	}
}

// add takes note of a clone and returns its number, from 1 on.
func (m *machines) add(reference types.ManagedObjectReference, name string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known[reference] = &machine{Name: name, Cloned: time.Now()}
	m.order = append(m.order, reference)
	return len(m.order)
}

// ServeHTTP lists the machines in the order in which they were cloned.
func (m *machines) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	m.mu.Lock()
	order := slices.Clone(m.order)
	m.mu.Unlock()
	list := make([]machine, 0, len(order))
	for _, reference := range order {
		list = append(list, m.look(reference))
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(list)
}

// look reads a machine, under its lock in the simulator.
func (m *machines) look(reference types.ManagedObjectReference) machine {
	vm, _ := m.registry.Get(reference).(*simulator.VirtualMachine)
	var now machine
	if vm != nil {
		m.registry.WithLock(&simulator.Context{Map: m.registry}, vm, func() { now = state(vm) })
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.known[reference]
	if vm != nil {
		known.Power, known.Addresses, known.Guest = now.Power, now.Addresses, now.Guest
	}
	return *known
}

func state(vm *simulator.VirtualMachine) machine {
	now := machine{Power: string(vm.Runtime.PowerState), Guest: map[string]string{}}
	for _, nic := range vm.Guest.Net {
		now.Addresses = append(now.Addresses, nic.IpAddress...)
	}
	for _, option := range vm.Config.ExtraConfig {
		value := option.GetOptionValue()
		if text, ok := value.Value.(string); ok && strings.HasPrefix(value.Key, "guestinfo.") {
			now.Guest[value.Key] = text
		}
	}
	return now
}
