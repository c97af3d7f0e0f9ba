package poolconfig_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

func pool(labels, annotations map[string]string) *capi.Pool {
	return &capi.Pool{ObjectMeta: metav1.ObjectMeta{Name: "p", Labels: labels, Annotations: annotations}}
}

// config is what a pool's labels and annotations say.
type config struct {
	Classes    []vip.Class
	Roles      []string
	Priority   int
	Namespaces []string
	Closed     bool
}

func configOf(p vip.Pool) config {
	return config{p.Classes, p.Roles, p.Priority, p.Namespaces, p.Closed}
}

func TestPoolConfig(t *testing.T) {
	const class, role, priority, namespaces = names.ClusterClass, names.Role, names.Priority, names.Namespaces
	bareMetal := []vip.Class{{Name: "bare-metal"}}
	ingress := []string{"ingress"}
	labels := map[string]string{class: "bare-metal", role: "ingress"}
	see := map[string]string{class: "true", role: "true"}
	tests := map[string]struct {
		labels, annotations map[string]string
		want                config
		// problem are words in the problem; empty if all is right.
		problem []string
	}{
		"if there are no labels, should serve nothing": {},
		"if the labels say it, should read them": {
			labels: labels, want: config{Classes: bareMetal, Roles: ingress},
		},
		"if the labels say it, should not read the annotations": {
			labels: labels, annotations: map[string]string{class: "vsphere"},
			want: config{Classes: bareMetal, Roles: ingress}, problem: []string{class, "not read"},
		},
		"if there are annotations without labels, should serve nothing": {
			annotations: map[string]string{class: "bare-metal"}, problem: []string{class, "label"},
		},
		"if the labels refer to the annotations, should read those": {
			labels: see, annotations: map[string]string{
				class: "bare-metal,classes/bare-metal, vsphere", role: "ingress, control-plane,storage",
			},
			want: config{
				Classes: []vip.Class{
					{Name: "bare-metal"}, {Namespace: "classes", Name: "bare-metal"}, {Name: "vsphere"},
				},
				Roles: []string{"ingress", "control-plane", "storage"},
			},
		},
		"if a list has blanks and empty entries, should not mind": {
			labels: see, annotations: map[string]string{class: " ,bare-metal,\n", role: ",,ingress,"},
			want: config{Classes: bareMetal, Roles: ingress},
		},
		"if a role is there twice, should take it once": {
			labels: see, annotations: map[string]string{class: "bare-metal", role: "ingress,ingress"},
			want: config{Classes: bareMetal, Roles: ingress},
		},
		"if a class has a long name, should take it": {
			labels: see, annotations: map[string]string{
				class: "a-name-of-more-than-sixty-three-characters-which-no-label-could-hold", role: "ingress",
			},
			want: config{
				Classes: []vip.Class{{Name: "a-name-of-more-than-sixty-three-characters-which-no-label-could-hold"}},
				Roles:   ingress,
			},
		},
		"if a class is no name, should keep the others": {
			labels: see, annotations: map[string]string{class: "Bare_Metal,bare-metal", role: "ingress"},
			want: config{Classes: bareMetal, Roles: ingress}, problem: []string{class, `"Bare_Metal"`},
		},
		"if the class is any, should take it": {
			labels: see, annotations: map[string]string{class: "*", role: "ingress"},
			want: config{Classes: []vip.Class{{Name: vip.AnyClass}}, Roles: ingress},
		},
		"if any class of a namespace is named, should keep the others": {
			labels: see, annotations: map[string]string{class: "a/*,bare-metal", role: "ingress"},
			want: config{Classes: bareMetal, Roles: ingress}, problem: []string{class, `"a/*"`},
		},
		"if a class ends in a star, should keep the others": {
			labels: see, annotations: map[string]string{class: "metal-*,bare-metal", role: "ingress"},
			want: config{Classes: bareMetal, Roles: ingress}, problem: []string{class, `"metal-*"`},
		},
		"if a class has two slashes, should keep the others": {
			labels: see, annotations: map[string]string{class: "a/b/c,bare-metal", role: "ingress"},
			want: config{Classes: bareMetal, Roles: ingress}, problem: []string{class, `"a/b/c"`},
		},
		"if a class has no namespace before the slash, should keep the others": {
			labels: see, annotations: map[string]string{class: "/x,bare-metal", role: "ingress"},
			want: config{Classes: bareMetal, Roles: ingress}, problem: []string{class, `"/x"`},
		},
		"if a class has no name behind the slash, should keep the others": {
			labels: see, annotations: map[string]string{class: "x/,bare-metal", role: "ingress"},
			want: config{Classes: bareMetal, Roles: ingress}, problem: []string{class, `"x/"`},
		},
		"if a role is no name, should keep the others": {
			labels: see, annotations: map[string]string{class: "bare-metal", role: "Ingress,ingress"},
			want: config{Classes: bareMetal, Roles: ingress}, problem: []string{role, `"Ingress"`},
		},
		"if a role is reserved, should keep the others": {
			labels: see, annotations: map[string]string{class: "bare-metal", role: "release,ingress"},
			want: config{Classes: bareMetal, Roles: ingress}, problem: []string{role, `"release"`, "reserved"},
		},
		"if a label refers to an annotation that is not there, should say so": {
			labels: map[string]string{class: "true", role: "ingress"}, want: config{Roles: ingress},
			problem: []string{class, "annotation"},
		},
		"if a label refers to an empty annotation, should say so": {
			labels: map[string]string{class: "bare-metal", role: "true"}, annotations: map[string]string{role: " , "},
			want: config{Classes: bareMetal}, problem: []string{role, "annotation"},
		},
		"if the priority is a number, should take it": {
			labels: labels, annotations: map[string]string{priority: " -5 "},
			want: config{Classes: bareMetal, Roles: ingress, Priority: -5},
		},
		"if the priority is no number, should close the pool": {
			labels: labels, annotations: map[string]string{priority: "high"},
			want: config{Classes: bareMetal, Roles: ingress, Closed: true}, problem: []string{priority, `"high"`},
		},
		"if the priority is a fraction, should close the pool": {
			labels: labels, annotations: map[string]string{priority: "1.5"},
			want: config{Classes: bareMetal, Roles: ingress, Closed: true}, problem: []string{priority, `"1.5"`},
		},
		"if the priority is out of range, should close the pool": {
			labels: labels, annotations: map[string]string{priority: "99999999999999999999"},
			want:    config{Classes: bareMetal, Roles: ingress, Closed: true},
			problem: []string{priority, `"99999999999999999999"`},
		},
		"if the priority is empty, should close the pool": {
			labels: labels, annotations: map[string]string{priority: ""},
			want: config{Classes: bareMetal, Roles: ingress, Closed: true}, problem: []string{priority},
		},
		"if namespaces are named, should serve those": {
			labels: labels, annotations: map[string]string{namespaces: "a, b"},
			want: config{Classes: bareMetal, Roles: ingress, Namespaces: []string{"a", "b"}},
		},
		"if the list of namespaces is empty, should close the pool": {
			labels: labels, annotations: map[string]string{namespaces: " ,"},
			want: config{Classes: bareMetal, Roles: ingress, Closed: true}, problem: []string{namespaces},
		},
		"if one of the namespaces is no name, should keep the others": {
			labels: labels, annotations: map[string]string{namespaces: "a;b,c"},
			want:    config{Classes: bareMetal, Roles: ingress, Namespaces: []string{"c"}},
			problem: []string{namespaces, `"a;b"`},
		},
		"if a role is nearly a standard one, should keep the others": {
			labels:      see,
			annotations: map[string]string{class: "bare-metal", role: "controlplane,ingress,control-plane-eu"},
			want:        config{Classes: bareMetal, Roles: []string{"ingress", "control-plane-eu"}},
			problem:     []string{role, `"controlplane"`, "control-plane"},
		},
		"if a role says yes or no, should serve none": {
			labels: map[string]string{class: "bare-metal", role: "false"}, want: config{Classes: bareMetal},
			problem: []string{role, `"false"`},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			view := pool(tt.labels, tt.annotations)
			got := view.Snapshot(time.Time{})
			if len(got.Namespaces) == 0 {
				got.Namespaces = nil
			}
			assert.Equal(t, tt.want, configOf(got))
			if len(tt.problem) == 0 {
				assert.Empty(t, got.Problems)
			} else {
				require.Len(t, got.Problems, 1)
				for _, word := range tt.problem {
					assert.Contains(t, got.Problems[0], word)
				}
			}
			assert.Equal(t, got.Roles, view.Roles())
			for _, class := range got.Classes {
				assert.Contains(t, view.ClassKeys(), class.Name, "or no Cluster finds the pool")
			}
		})
	}
	t.Run("if several things are wrong, should say each", func(t *testing.T) {
		got := pool(see,
			map[string]string{class: "A,B,bare-metal", role: "C,ingress", priority: "x"}).Snapshot(time.Time{})
		assert.Len(t, got.Problems, 4)
		assert.Equal(t, config{Classes: bareMetal, Roles: ingress, Closed: true}, configOf(got))
		assert.Contains(t, got.Problems[0], priority, "what closes the pool comes first")
	})
}

func TestClassKeys(t *testing.T) {
	view := pool(map[string]string{names.ClusterClass: "true"}, map[string]string{names.ClusterClass: "a/x,b/x,y,BAD"})
	assert.Equal(t, []string{"x", "y"}, view.ClassKeys(), "each name once, without the namespace")
}
