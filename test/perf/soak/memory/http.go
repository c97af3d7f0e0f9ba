package memory

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// Handler serves a store over HTTP. Unless it is nil, Refuse may refuse a request that would change an object.
type Handler struct {
	*Store
	Refuse func(*http.Request) error
}

// target is what a request is about.
type target struct {
	schema.GroupVersionResource
	key         types.NamespacedName
	subresource string
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case len(parts) == 3 && parts[0] == "apis":
		h.discover(w, schema.GroupVersion{Group: parts[1], Version: parts[2]})
		return
	case r.URL.Path == "/version": // clients ask whether the server is alive
		reply(w, http.StatusOK, map[string]any{"major": "1", "minor": "37", "gitVersion": "v1.37.0"})
		return
	case parts[0] == "api" && parts[len(parts)-1] == "events" && r.Method == http.MethodPost:
		h.event(w, r)
		return
	}
	t, ok := parse(parts)
	if _, served := h.kinds[t.GroupVersionResource]; !ok || !served {
		fail(w, apierrors.NewNotFound(t.GroupResource(), r.URL.Path))
		return
	}
	h.serve(w, r, t)
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request, t target) {
	if r.Method != http.MethodGet && h.Refuse != nil {
		if err := h.Refuse(r); err != nil {
			fail(w, err)
			return
		}
	}
	if r.Method == http.MethodGet && t.key.Name == "" {
		h.read(w, r, t)
		return
	}
	code := http.StatusOK
	var answer any
	var err error
	switch r.Method {
	case http.MethodGet:
		if object := h.Get(t.GroupVersionResource, t.key); object != nil {
			answer = object.Object
			break
		}
		err = apierrors.NewNotFound(t.GroupResource(), t.key.Name)
	case http.MethodPost:
		code = http.StatusCreated
		answer, err = h.post(r, t)
	case http.MethodPatch:
		answer, err = h.patch(r, t)
	case http.MethodDelete:
		answer, err = metav1.Status{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusSuccess,
		}, h.remove(r, t)
	default:
		err = apierrors.NewMethodNotSupported(t.GroupResource(), r.Method)
	}
	if err != nil {
		fail(w, err)
		return
	}
	reply(w, code, answer)
}

// parse parses the path of a resource or an object.
func parse(parts []string) (target, bool) {
	var t target
	if len(parts) < 4 || parts[0] != "apis" {
		return t, false
	}
	t.Group, t.Version = parts[1], parts[2]
	rest := parts[3:]
	if rest[0] == "namespaces" && len(rest) > 2 {
		t.key.Namespace, rest = rest[1], rest[2:]
	}
	t.Resource = rest[0]
	if len(rest) > 1 {
		t.key.Name = rest[1]
	}
	if len(rest) > 2 {
		t.subresource = rest[2]
	}
	return t, len(rest) <= 3
}

func (h *Handler) post(r *http.Request, t target) (any, error) {
	object, err := read(r)
	if err != nil {
		return nil, err
	}
	object.SetNamespace(t.key.Namespace)
	created, err := h.Create(t.GroupVersionResource, object)
	if err != nil {
		return nil, err
	}
	return created.Object, nil
}

func (h *Handler) patch(r *http.Request, t target) (any, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	patched, err := h.Update(t.GroupVersionResource, t.key,
		func(object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
			return patch(object, types.PatchType(r.Header.Get("Content-Type")), body, t.subresource == "status")
		})
	if err != nil {
		return nil, err
	}
	return patched.Object, nil
}

func (h *Handler) remove(r *http.Request, t target) error {
	var options metav1.DeleteOptions
	if err := json.NewDecoder(r.Body).Decode(&options); err != nil && !errors.Is(err, io.EOF) {
		return apierrors.NewBadRequest(err.Error())
	}
	return h.Delete(t.GroupVersionResource, t.key, options.Preconditions)
}

// event accepts an event and forgets it: nobody here reads events.
func (h *Handler) event(w http.ResponseWriter, r *http.Request) {
	event, err := read(r)
	if err != nil {
		fail(w, err)
		return
	}
	reply(w, http.StatusCreated, event.Object)
}

// discover lists what a version of a group serves.
func (h *Handler) discover(w http.ResponseWriter, version schema.GroupVersion) {
	list := metav1.APIResourceList{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "APIResourceList"}, GroupVersion: version.String(),
	}
	for _, c := range h.kinds {
		if c.GroupVersion() == version {
			list.APIResources = append(list.APIResources, metav1.APIResource{
				Name: c.GroupVersionResource.Resource, Kind: c.Kind, Namespaced: c.Namespaced,
				Verbs: metav1.Verbs{"list", "watch"},
			})
		}
	}
	if len(list.APIResources) == 0 {
		fail(w, apierrors.NewNotFound(schema.GroupResource{}, version.String()))
		return
	}
	reply(w, http.StatusOK, list)
}

// read answers a list or a watch.
func (h *Handler) read(w http.ResponseWriter, r *http.Request, t target) {
	query := r.URL.Query()
	if query.Get("watch") == "" || query.Get("watch") == "false" {
		h.answerList(w, t)
		return
	}
	ctx := r.Context()
	if seconds, err := strconv.Atoi(query.Get("timeoutSeconds")); err == nil && seconds > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(seconds)*time.Second)
		defer cancel()
	}
	s := &stream{
		store: h.Store, resource: t.GroupVersionResource, w: w,
		metadata: strings.Contains(r.Header.Get("Accept"), "PartialObjectMetadata"),
	}
	s.serve(ctx, query.Get("resourceVersion"), query.Get("sendInitialEvents") == "true")
}

func (h *Handler) answerList(w http.ResponseWriter, t target) {
	objects, version, _ := h.list(t.GroupVersionResource)
	items := make([]any, 0, len(objects))
	for _, object := range objects {
		items = append(items, object.Object)
	}
	reply(w, http.StatusOK, map[string]any{
		"apiVersion": t.GroupVersion().String(), "kind": h.kinds[t.GroupVersionResource].Kind + "List",
		"metadata": map[string]any{"resourceVersion": strconv.FormatUint(version, 10)}, "items": items,
	})
}

func read(r *http.Request) (*unstructured.Unstructured, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(body); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	return object, nil
}

func reply(w http.ResponseWriter, code int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(answer) // an error means that the client is gone
}

func fail(w http.ResponseWriter, err error) {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		status = apierrors.NewInternalError(err)
	}
	answer := status.Status()
	answer.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
	reply(w, int(answer.Code), answer)
}

func resourceOf(object *unstructured.Unstructured) schema.GroupResource {
	return schema.GroupResource{Group: object.GroupVersionKind().Group, Resource: object.GetKind()}
}
