package controller

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
)

// fairQueue is the framework's queue with a fixed number of workers: it hands out keys in their order.
type fairQueue struct {
	fair    *fair
	workers int
	keys    []types.NamespacedName
	busy    []types.NamespacedName
}

// fill lets free workers take keys, and returns those that were begun.
func (q *fairQueue) fill() []types.NamespacedName {
	var begun []types.NamespacedName
	for len(q.busy) < q.workers && len(q.keys) > 0 {
		key := q.keys[0]
		q.keys = q.keys[1:]
		if q.fair.enter(key) {
			q.busy, begun = append(q.busy, key), append(begun, key)
		}
	}
	return begun
}

// end finishes the work of the worker that has worked longest.
func (q *fairQueue) end() {
	if next, ok := q.fair.leave(q.busy[0].Namespace); ok {
		q.keys = append(q.keys, next)
	}
	q.busy = q.busy[1:]
}

func keysIn(namespace string, n int) []types.NamespacedName {
	keys := make([]types.NamespacedName, n)
	for i := range keys {
		keys[i] = types.NamespacedName{Namespace: namespace, Name: strconv.Itoa(i)}
	}
	return keys
}

func TestFair(t *testing.T) {
	for _, workers := range []int{2, 3, 10} {
		t.Run(fmt.Sprintf(
			"if one namespace has a long queue, should begin another's at once with %d workers", workers,
		), func(t *testing.T) {
			q := &fairQueue{fair: newFair(workers), workers: workers, keys: keysIn("storm", 1000)}
			q.fill()
			require.Less(t, len(q.busy), workers, "one is kept free")
			other := types.NamespacedName{Namespace: "other", Name: "one"}
			q.keys = append(q.keys, other)
			assert.Equal(t, []types.NamespacedName{other}, q.fill())
		})
	}
	for _, workers := range []int{1, 2, 10} {
		t.Run(fmt.Sprintf(
			"if all is done, should have handled each key once in its order with %d workers", workers,
		), func(t *testing.T) {
			storm := keysIn("storm", 100)
			// Each comes twice.
			q := &fairQueue{fair: newFair(workers), workers: workers, keys: append(storm[:100:100], storm...)}
			handled := q.fill()
			for len(q.busy) > 0 {
				q.end()
				handled = append(handled, q.fill()...)
			}
			seen := map[types.NamespacedName]bool{}
			var order []types.NamespacedName
			for _, key := range handled {
				if !seen[key] {
					order = append(order, key)
				}
				seen[key] = true
			}
			assert.Equal(t, storm, order)
			assert.Empty(t, q.fair.shares, "nothing is remembered")
		})
	}
}
