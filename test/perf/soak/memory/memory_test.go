package memory

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
)

var things = schema.GroupVersionResource{Group: "example.com", Version: "v1", Resource: "things"}

// serve serves a store of things, and returns it with a client's configuration.
func serve(t *testing.T) (*Store, *rest.Config) {
	t.Helper()
	store := NewStore(Resource{GroupVersionResource: things, Kind: "Thing", Namespaced: true})
	server := httptest.NewServer(&Handler{Store: store})
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return store, &rest.Config{Host: server.URL, QPS: -1}
}

func thing(name string, fields map[string]any) *unstructured.Unstructured {
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "example.com/v1", "kind": "Thing", "metadata": map[string]any{"namespace": "ns", "name": name},
	}}
	for key, value := range fields {
		object.Object[key] = value
	}
	return object
}

func TestInformersFollow(t *testing.T) {
	store, config := serve(t)
	_, err := store.Create(things, thing("before", nil))
	require.NoError(t, err)
	client, err := dynamic.NewForConfig(config)
	require.NoError(t, err)
	factory := dynamicinformer.NewDynamicSharedInformerFactory(client, 0)
	informer := factory.ForResource(things)
	informer.Informer()
	factory.Start(t.Context().Done())
	require.True(t, factory.WaitForCacheSync(t.Context().Done())[things])
	_, err = informer.Lister().ByNamespace("ns").Get("before")
	require.NoError(t, err)

	_, err = client.Resource(things).Namespace("ns").Create(t.Context(), thing("after", nil), metav1.CreateOptions{})
	require.NoError(t, err)
	require.NoError(t, client.Resource(things).Namespace("ns").Delete(t.Context(), "before", metav1.DeleteOptions{}))
	assert.Eventually(t, func() bool {
		_, err := informer.Lister().ByNamespace("ns").Get("after")
		_, gone := informer.Lister().ByNamespace("ns").Get("before")
		return err == nil && apierrors.IsNotFound(gone)
	}, 10*time.Second, time.Millisecond)
}

func TestWatchOfMetadata(t *testing.T) {
	store, config := serve(t)
	first, err := store.Create(things, thing("first", nil))
	require.NoError(t, err)
	_, err = store.Create(things, thing("second", map[string]any{"spec": map[string]any{"a": "b"}}))
	require.NoError(t, err)
	client, err := metadata.NewForConfig(metadata.ConfigFor(config))
	require.NoError(t, err)
	changes, err := client.Resource(things).Watch(t.Context(), metav1.ListOptions{
		ResourceVersion: first.GetResourceVersion(),
	})
	require.NoError(t, err)
	defer changes.Stop()
	event := <-changes.ResultChan()
	object, ok := event.Object.(*metav1.PartialObjectMetadata)
	require.True(t, ok, "%T", event.Object)
	assert.Equal(t, "second", object.Name)
}

func TestWrites(t *testing.T) {
	for name, test := range map[string]struct {
		kind        types.PatchType
		body        string
		subresource []string
		// want is the resulting object; refused matches the error if it stays as it is.
		want    map[string]any
		refused func(error) bool
	}{
		"if a test of a JSON patch holds, should apply it": {
			types.JSONPatchType,
			`[{"op":"test","path":"/spec/a","value":"b"},{"op":"replace","path":"/spec/a","value":"c"}]`, nil,
			map[string]any{"spec": map[string]any{"a": "c"}},
			nil,
		},
		"if a test of a JSON patch fails, should refuse it": {
			types.JSONPatchType,
			`[{"op":"test","path":"/spec/a","value":"x"},{"op":"replace","path":"/spec/a","value":"c"}]`, nil, nil,
			func(err error) bool { return apierrors.ReasonForError(err) != metav1.StatusReasonNotFound },
		},
		"if conditions are applied, should merge them by type": {
			types.ApplyPatchType,
			`{"apiVersion":"example.com/v1","kind":"Thing","status":{"conditions":[{"type":"B","status":"True"}]}}`,
			[]string{"status"},
			map[string]any{"status": map[string]any{"conditions": []any{
				map[string]any{"type": "A", "status": "True"}, map[string]any{"type": "B", "status": "True"},
			}}},
			nil,
		},
		"if another UID is applied, should refuse it": {
			types.ApplyPatchType,
			`{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"uid":"x"},"spec":{"a":"c"}}`,
			nil, nil, apierrors.IsConflict,
		},
		"if the status is patched with the object, should leave it": {
			types.ApplyPatchType,
			`{"apiVersion":"example.com/v1","kind":"Thing","status":{"conditions":[{"type":"B"}]}}`, nil,
			map[string]any{
				"status": map[string]any{"conditions": []any{map[string]any{"type": "A", "status": "True"}}},
			},
			nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			store, config := serve(t)
			before, err := store.Create(things, thing("x", map[string]any{
				"spec":   map[string]any{"a": "b"},
				"status": map[string]any{"conditions": []any{map[string]any{"type": "A", "status": "True"}}},
			}))
			require.NoError(t, err)
			client, err := dynamic.NewForConfig(config)
			require.NoError(t, err)
			_, err = client.Resource(things).Namespace("ns").Patch(t.Context(), "x", test.kind, []byte(test.body),
				metav1.PatchOptions{FieldManager: "test"}, test.subresource...)
			after := store.Get(things, types.NamespacedName{Namespace: "ns", Name: "x"})
			if test.refused != nil {
				require.Error(t, err)
				assert.True(t, test.refused(err), err)
				assert.Equal(t, before, after)
				return
			}
			require.NoError(t, err)
			for key, want := range test.want {
				assert.Equal(t, want, after.Object[key])
			}
		})
	}
}

func TestFinalizers(t *testing.T) {
	store, _ := serve(t)
	key := types.NamespacedName{Namespace: "ns", Name: "x"}
	object := thing("x", nil)
	object.SetFinalizers([]string{"example.com/a"})
	_, err := store.Create(things, object)
	require.NoError(t, err)
	other := types.UID("other")
	assert.True(t, apierrors.IsConflict(store.Delete(things, key, &metav1.Preconditions{UID: &other})))
	require.NoError(t, store.Delete(things, key, nil))
	require.NotNil(t, store.Get(things, key).GetDeletionTimestamp())
	_, err = store.Update(things, key, func(object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
		object.SetFinalizers(nil)
		return object, nil
	})
	require.NoError(t, err)
	assert.Nil(t, store.Get(things, key), "an object goes with its last finalizer")
}

func TestWatchThatLiesTooFarBehind(t *testing.T) {
	store, _ := serve(t)
	created, err := store.Create(things, thing("x", nil))
	require.NoError(t, err)
	for i := range 3 * remembered {
		_, err := store.Update(things, keyOf(created),
			func(object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
				object.Object["spec"] = map[string]any{"count": int64(i)}
				return object, nil
			})
		require.NoError(t, err)
	}
	_, err = store.positionAfter(things, 1)
	assert.True(t, apierrors.IsResourceExpired(err))
	_, err = store.positionAfter(things, store.lastVersion()-1)
	assert.NoError(t, err)
}
