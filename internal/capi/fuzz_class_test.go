package capi_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
)

// FuzzClusterClass: whatever a class looks like, its uses of VIPs are the same before and after trimming, and take no
// more memory than its text allows.
func FuzzClusterClass(f *testing.F) {
	f.Add([]byte(`{"spec":{"patches":[{"name":"vip",` +
		`"enabledIf":"{{ index .builtin.cluster.metadata.annotations \"vip.capi.gorizond.io/control-plane\" }}"}]}}`))
	f.Add([]byte(`{"spec":{"variables":[{"name":"endpoint","schema":{"openAPIV3Schema":{"type":"object",` +
		`"properties":{"host":{"type":"string"}}}}}]}}`))
	f.Add([]byte(`{"status":{"variables":[{"name":"vip",` +
		`"definitions":[{"schema":{"openAPIV3Schema":{"properties":{"":{"properties":{".":{}}}}}}}]}]}}`))
	f.Add([]byte(`{"spec":{"patches":[null,` +
		`"x",{"external":{"generateExtension":"generate-patches.capi-vip-allocator"}}],"variables":null}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		class := &capi.ClusterClass{}
		if json.Unmarshal(data, class) != nil {
			return
		}
		before := class.Snapshot()
		for range 2 {
			if _, err := capi.Trim(class); err != nil {
				t.Fatal(err)
			}
			if after := class.Snapshot(); !reflect.DeepEqual(before, after) {
				t.Errorf("Trim makes %+v of %+v", after, before)
			}
		}
		size := 0
		for path, kind := range before.Variables {
			size += len(path)
			if kind == "" {
				t.Errorf("%q has no type", path)
			}
		}
		if size > 4096*512 {
			t.Errorf("%d bytes of paths are kept of %d bytes", size, len(data))
		}
	})
}

// A path repeats the names of all properties above it, and nothing limits them: if all were kept, a class of one
// megabyte, which anyone who may create classes can make, would take gigabytes.
func TestClassWithHugeSchema(t *testing.T) {
	property := func(name string, properties string) string {
		return fmt.Sprintf(`{"type":"object","properties":{%q:{"type":"object","properties":{%s}}}}`, name, properties)
	}
	var children strings.Builder
	for i := range 20000 {
		fmt.Fprintf(&children, `"p%05d":{"type":"string"},`, i)
	}
	many := strings.TrimSuffix(children.String(), ",")
	for name, test := range map[string]struct {
		schema string
		want   int
	}{
		"if a name is longer than any path, should know neither it nor what is below": {
			property(strings.Repeat("n", 500<<10), many), 1,
		},
		"if there are more properties than any class has, should know the first of them": {
			property("all", many), 4096,
		},
		"if properties are nested deeper than any path is long, should know those that fit": {
			strings.Repeat(`{"properties":{"a":`, 4000) + "{}" + strings.Repeat("}}", 4000), 255,
		},
	} {
		t.Run(name, func(t *testing.T) {
			class := &capi.ClusterClass{}
			require.NoError(t, json.Unmarshal(
				[]byte(`{"spec":{"variables":[{"name":"huge","schema":{"openAPIV3Schema":`+test.schema+`}}]}}`), class,
			))
			variables := class.Snapshot().Variables
			assert.Len(t, variables, test.want)
			assert.Contains(t, variables, "huge")
			assert.Equal(t, variables, class.Snapshot().Variables, "the same ones every time")
		})
	}
}
