package poolconfig_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/poolconfig"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// FuzzPoolConfig: whatever is on a pool, nothing invalid gets through, and what is dropped is reported, in few words.
func FuzzPoolConfig(f *testing.F) {
	f.Add("true", "true", "bare-metal", "ingress", "1", "a,b", false)
	f.Add("true", "true", "a/b,c", "ingress,control-plane", "-1", "", false)
	f.Add("bare-metal", "control-plane", "", "", "", "tenant", true)
	f.Add("true", "true", "/", "release", "99999999999999999999", ",", false)
	f.Add("true", "true", "bare-metal,*", "ingress", "", "a", false)
	f.Add("true", "", "\x00,\u00e9", "Ingress,-", " 7", "\t", true)
	f.Add("true", "true", strings.Repeat("A,", 100), strings.Repeat("-", 1000), "x", "a", false)
	f.Fuzz(func(t *testing.T, classLabel, roleLabel, class, role, priority, namespaces string, namespaced bool) {
		view := pool(map[string]string{names.ClusterClass: classLabel, names.Role: roleLabel}, map[string]string{
			names.ClusterClass: class, names.Role: role, names.Priority: priority, names.Namespaces: namespaces,
		})
		if namespaced {
			view.Namespace = "tenant"
		}
		got := view.Snapshot(time.Time{})
		checkRoles(t, got.Roles)
		for _, class := range got.Classes {
			keys := view.ClassKeys()
			if class == (vip.Class{Name: vip.AnyClass}) {
				if !slices.Equal(keys, []string{vip.AnyClass}) {
					t.Errorf("a pool for any class is found by %q", keys)
				}
				continue
			}
			if len(validation.IsDNS1123Subdomain(class.Name)) > 0 ||
				class.Namespace != "" && len(validation.IsDNS1123Label(class.Namespace)) > 0 {
				t.Errorf("class %q came through", class)
			}
			if !slices.Contains(keys, class.Name) && !slices.Contains(keys, vip.AnyClass) {
				t.Errorf("class %q is not in the index", class)
			}
		}
		refers := classLabel == names.SeeAnnotation && len(got.Classes) == 0 ||
			roleLabel == names.SeeAnnotation && len(got.Roles) == 0
		if refers && len(got.Problems) == 0 {
			t.Errorf("the pool serves nothing and nobody says why")
		}
		if len(got.Roles) > poolconfig.MaxPoolRoles || len(got.Classes) > poolconfig.MaxPoolClasses ||
			len(got.Namespaces) > poolconfig.MaxPoolNamespaces {
			t.Errorf("%d roles, %d classes, %d namespaces", len(got.Roles), len(got.Classes), len(got.Namespaces))
		}
		if !namespaced && len(got.Namespaces) == 0 && !got.Closed {
			t.Errorf("an annotation %q opens the pool to all namespaces", namespaces)
		}
		if said := strings.Join(got.Problems, "; "); len(said) > 1024 {
			t.Errorf("an event of %d bytes", len(said))
		}
	})
}

func checkRoles(t *testing.T, roles []string) {
	t.Helper()
	for i, role := range roles {
		if err := names.ValidateRole(role); err != nil {
			t.Errorf("role %q came through: %v", role, err)
		}
		if slices.Contains(roles[:i], role) {
			t.Errorf("role %q came through twice", role)
		}
	}
}
