package memory

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
)

// bookmarks is how often an idle watch is sent the version.
const bookmarks = time.Second

// stream is a watch that is being answered.
type stream struct {
	store    *Store
	resource schema.GroupVersionResource
	w        http.ResponseWriter
	// metadata says that the client wants only the metadata of objects.
	metadata bool
}

func (s *stream) serve(ctx context.Context, version string, initial bool) {
	position, err := s.begin(version, initial)
	if err != nil {
		fail(s.w, err)
		return
	}
	for {
		version := s.store.lastVersion()
		waiting, cancel := context.WithTimeout(ctx, bookmarks)
		changes, next, err := s.store.wait(waiting, s.resource, position)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case apierrors.IsResourceExpired(err):
			s.expired(err)
			return
		case err != nil: // nothing has changed for a while, nor before that version
			s.write(watch.Bookmark, s.marker(version, nil))
			continue
		}
		position = next
		for _, c := range changes {
			if !s.send(c.kind, c.object) {
				return
			}
		}
	}
}

// begin sends what precedes the changes, and returns the position from which to send them.
func (s *stream) begin(version string, initial bool) (int, error) {
	if !initial {
		after, err := strconv.ParseUint(version, 10, 64)
		if err != nil {
			return 0, apierrors.NewBadRequest("a watch begins at a version, or with the initial events")
		}
		position, err := s.store.positionAfter(s.resource, after)
		if err == nil {
			s.header()
		}
		return position, err
	}
	objects, at, position := s.store.list(s.resource)
	s.header()
	for _, object := range objects {
		s.send(watch.Added, object)
	}
	s.write(watch.Bookmark, s.marker(at, map[string]any{metav1.InitialEventsAnnotationKey: "true"}))
	return position, nil
}

func (s *stream) header() {
	s.w.Header().Set("Content-Type", "application/json")
	s.w.WriteHeader(http.StatusOK)
	s.flush()
}

func (s *stream) flush() {
	if flusher, ok := s.w.(http.Flusher); ok {
		flusher.Flush()
	}
}

// send sends an object and reports whether the client is still listening.
func (s *stream) send(kind watch.EventType, object *unstructured.Unstructured) bool {
	content := object.Object
	if s.metadata {
		content = map[string]any{
			"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": content["metadata"],
		}
	}
	return s.write(kind, content)
}

// marker returns the object of a bookmark.
func (s *stream) marker(version uint64, annotations map[string]any) map[string]any {
	metadata := map[string]any{"resourceVersion": strconv.FormatUint(version, 10)}
	if annotations != nil {
		metadata["annotations"] = annotations
	}
	if s.metadata {
		return map[string]any{"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": metadata}
	}
	return map[string]any{
		"apiVersion": s.resource.GroupVersion().String(), "kind": s.store.kinds[s.resource].Kind, "metadata": metadata,
	}
}

func (s *stream) expired(err error) {
	status := apierrors.NewResourceExpired(err.Error()).Status()
	status.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
	s.write(watch.Error, status)
}

func (s *stream) write(kind watch.EventType, object any) bool {
	err := json.NewEncoder(s.w).Encode(struct {
		Type   watch.EventType `json:"type"`
		Object any             `json:"object"`
	}{kind, object})
	s.flush()
	return err == nil
}
