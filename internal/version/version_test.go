package version

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestCompleteVersion(t *testing.T) {
	recorded := &debug.BuildInfo{
		Main: debug.Module{Version: "v0.3.0"},
		Settings: []debug.BuildSetting{
			{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.time", Value: "2026-01-02T03:04:05Z"},
			{Key: "vcs.modified", Value: "true"},
		},
	}
	platform := " (" + runtime.Version() + ", " + runtime.GOOS + "/" + runtime.GOARCH + ")"
	tests := map[string]struct {
		linked Info
		info   *debug.BuildInfo
		want   string
	}{
		"if the linker was told, should believe it": {
			Info{Version: "v1.2.3", Commit: "def", Date: "2026-02-03T04:05:06Z"},
			recorded,
			"capi-vip-allocator v1.2.3 (commit def, built 2026-02-03T04:05:06Z, ",
		},
		"if the linker was not told, should say what Go recorded": {
			Info{}, recorded, "capi-vip-allocator v0.3.0 (commit abc-dirty, built 2026-01-02T03:04:05Z, ",
		},
		"if nothing is recorded, should say devel": {Info{}, nil, "capi-vip-allocator devel" + platform},
		"if the version is Go's devel, should say devel": {
			Info{}, &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, "capi-vip-allocator devel" + platform,
		},
		"if only the version is linked, should take both": {
			Info{Version: "v1"}, recorded, "capi-vip-allocator v1 (commit abc-dirty, ",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			assert.Contains(t, completeVersion(test.linked, test.info).Line("capi-vip-allocator"), test.want)
		})
	}
	assert.NotEmpty(t, Read().Version)
}
