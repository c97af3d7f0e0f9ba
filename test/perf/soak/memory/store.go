package memory

import (
	"context"
	"errors"
	"reflect"
	"strconv"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/apimachinery/pkg/watch"
)

// remembered is how many changes of a resource a watch may lag behind before it must restart.
const remembered = 4096

// Resource is a kind of object that is served.
type Resource struct {
	schema.GroupVersionResource
	Kind       string
	Namespaced bool
}

// Store holds the objects. Callers must not change the objects it returns, which are shared. It is safe for
// concurrent use.
type Store struct {
	mu      sync.Mutex
	version uint64
	kinds   map[schema.GroupVersionResource]*collection
	// bells are closed when their object changes.
	bells map[objectKey]chan struct{}
}

// collection holds the objects of one resource.
type collection struct {
	Resource
	objects map[types.NamespacedName]*unstructured.Unstructured
	// log holds the latest changes, dropped says how many earlier ones are gone.
	log     []change
	dropped int
	// rung is closed with the next change.
	rung chan struct{}
}

type objectKey struct {
	resource schema.GroupVersionResource
	key      types.NamespacedName
}

// change is a change of an object; a deleted object is in its last state.
type change struct {
	kind    watch.EventType
	version uint64
	object  *unstructured.Unstructured
}

// NewStore returns an empty store that serves some resources.
func NewStore(resources ...Resource) *Store {
	s := &Store{kinds: map[schema.GroupVersionResource]*collection{}, bells: map[objectKey]chan struct{}{}}
	for _, resource := range resources {
		s.kinds[resource.GroupVersionResource] = &collection{
			Resource: resource, objects: map[types.NamespacedName]*unstructured.Unstructured{},
			rung: make(chan struct{}),
		}
	}
	return s
}

// Get returns an object, or nil.
func (s *Store) Get(resource schema.GroupVersionResource, key types.NamespacedName) *unstructured.Unstructured {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kinds[resource].objects[key]
}

// Len returns the number of objects of a resource.
func (s *Store) Len(resource schema.GroupVersionResource) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.kinds[resource].objects)
}

// Create adds an object and returns the result.
func (s *Store) Create(
	resource schema.GroupVersionResource, object *unstructured.Unstructured,
) (*unstructured.Unstructured, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, key := s.kinds[resource], keyOf(object)
	if c.objects[key] != nil {
		return nil, apierrors.NewAlreadyExists(resource.GroupResource(), key.Name)
	}
	created := object.DeepCopy()
	created.SetUID(uuid.NewUUID())
	created.SetCreationTimestamp(metav1.Now())
	created.SetGeneration(1)
	s.commit(c, watch.Added, created)
	return created, nil
}

// Update replaces an object by what change makes of a copy; if change fails the object stays as it is. An object
// whose deletion was requested goes with its last finalizer.
func (s *Store) Update(
	resource schema.GroupVersionResource, key types.NamespacedName,
	change func(*unstructured.Unstructured) (*unstructured.Unstructured, error),
) (*unstructured.Unstructured, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.kinds[resource]
	before := c.objects[key]
	if before == nil {
		return nil, apierrors.NewNotFound(resource.GroupResource(), key.Name)
	}
	after, err := change(before.DeepCopy())
	if err != nil {
		return nil, err
	}
	if reflect.DeepEqual(before.Object, after.Object) {
		return before, nil
	}
	if !reflect.DeepEqual(before.Object["spec"], after.Object["spec"]) {
		after.SetGeneration(before.GetGeneration() + 1)
	}
	if after.GetDeletionTimestamp() != nil && len(after.GetFinalizers()) == 0 {
		s.commit(c, watch.Deleted, after)
		return after, nil
	}
	s.commit(c, watch.Modified, after)
	return after, nil
}

// Delete requests the deletion of an object.
func (s *Store) Delete(
	resource schema.GroupVersionResource, key types.NamespacedName, conditions *metav1.Preconditions,
) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.kinds[resource]
	before := c.objects[key]
	switch {
	case before == nil:
		return apierrors.NewNotFound(resource.GroupResource(), key.Name)
	case conditions != nil && (conditions.UID != nil && *conditions.UID != before.GetUID() ||
		conditions.ResourceVersion != nil && *conditions.ResourceVersion != before.GetResourceVersion()):
		return apierrors.NewConflict(resource.GroupResource(), key.Name, errors.New("the preconditions do not hold"))
	case before.GetDeletionTimestamp() != nil:
		return nil
	}
	after := before.DeepCopy()
	if len(after.GetFinalizers()) == 0 {
		s.commit(c, watch.Deleted, after)
		return nil
	}
	now := metav1.Now()
	after.SetDeletionTimestamp(&now)
	s.commit(c, watch.Modified, after)
	return nil
}

// Await waits until wanted accepts an object, or nil if it does not exist. It returns the error of ctx if that ends
// first.
func (s *Store) Await(
	ctx context.Context, resource schema.GroupVersionResource, key types.NamespacedName,
	wanted func(*unstructured.Unstructured) bool,
) error {
	at := objectKey{resource, key}
	for {
		s.mu.Lock()
		object := s.kinds[resource].objects[key]
		bell, ok := s.bells[at]
		if !ok {
			bell = make(chan struct{})
			s.bells[at] = bell
		}
		s.mu.Unlock()
		if wanted(object) {
			return nil
		}
		select {
		case <-bell:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Follow calls changed with every change of a resource, one after the other, until ctx ends; a deleted object is in
// its last state.
func (s *Store) Follow(
	ctx context.Context, resource schema.GroupVersionResource,
	changed func(watch.EventType, *unstructured.Unstructured),
) {
	position := s.position(resource)
	for {
		changes, next, err := s.wait(ctx, resource, position)
		if err != nil {
			return // ctx ended: no follower in this process ever lags that far behind
		}
		position = next
		for _, c := range changes {
			changed(c.kind, c.object)
		}
	}
}

// commit records a change. The caller holds the lock.
func (s *Store) commit(c *collection, kind watch.EventType, object *unstructured.Unstructured) {
	s.version++
	object.SetResourceVersion(strconv.FormatUint(s.version, 10))
	key := keyOf(object)
	c.objects[key] = object
	if kind == watch.Deleted {
		delete(c.objects, key)
	}
	c.log = append(c.log, change{kind, s.version, object})
	if len(c.log) > 2*remembered {
		c.dropped += len(c.log) - remembered
		c.log = append([]change(nil), c.log[len(c.log)-remembered:]...)
	}
	close(c.rung)
	c.rung = make(chan struct{})
	at := objectKey{c.GroupVersionResource, key}
	if bell, ok := s.bells[at]; ok {
		close(bell)
		delete(s.bells, at)
	}
}

// list returns the objects of a resource, and the version and position of the list.
func (s *Store) list(resource schema.GroupVersionResource) ([]*unstructured.Unstructured, uint64, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.kinds[resource]
	objects := make([]*unstructured.Unstructured, 0, len(c.objects))
	for _, object := range c.objects {
		objects = append(objects, object)
	}
	return objects, s.version, c.dropped + len(c.log)
}

// position returns the position after all changes so far.
func (s *Store) position(resource schema.GroupVersionResource) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.kinds[resource]
	return c.dropped + len(c.log)
}

// positionAfter returns the position after a version, or an error if that is too old.
func (s *Store) positionAfter(resource schema.GroupVersionResource, version uint64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.kinds[resource]
	if c.dropped > 0 && c.log[0].version > version+1 {
		return 0, apierrors.NewResourceExpired("the version is too old")
	}
	for i := range c.log {
		if c.log[i].version > version {
			return c.dropped + i, nil
		}
	}
	return c.dropped + len(c.log), nil
}

// wait returns the changes from a position on as soon as there are any, and the position after them.
func (s *Store) wait(ctx context.Context, resource schema.GroupVersionResource, position int) ([]change, int, error) {
	for {
		s.mu.Lock()
		c := s.kinds[resource]
		log, dropped, rung := c.log, c.dropped, c.rung
		s.mu.Unlock()
		switch {
		case position < dropped:
			return nil, 0, apierrors.NewResourceExpired("the watch lies too far behind")
		case position < dropped+len(log):
			return log[position-dropped:], dropped + len(log), nil
		}
		select {
		case <-rung:
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		}
	}
}

// lastVersion returns the version of the latest change.
func (s *Store) lastVersion() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version
}

func keyOf(object *unstructured.Unstructured) types.NamespacedName {
	return types.NamespacedName{Namespace: object.GetNamespace(), Name: object.GetName()}
}
