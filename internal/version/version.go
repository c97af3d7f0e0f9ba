// Package version says what a program was built from.
package version

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// Set at link time: -ldflags "-X github.com/gorizond/capi-vip-allocator/internal/version.buildVersion=v1.2.3" and
// likewise buildCommit (a git hash) and buildDate (RFC 3339).
var (
	buildVersion string
	buildCommit  string
	buildDate    string
)

// Info says which version was built, from what, when and with what.
type Info struct {
	// Version is the release, e.g. v1.2.3, or "devel".
	Version string `json:"version"`
	// Commit is the git hash, with "-dirty" appended if files were changed; empty if unknown.
	Commit string `json:"commit,omitempty"`
	// Date is when it was built, or else when the commit was made, in RFC 3339; empty if unknown.
	Date string `json:"date,omitempty"`
	// GoVersion is the Go release it was built with.
	GoVersion string `json:"goVersion"`
	// Platform is the operating system and architecture, e.g. linux/arm64.
	Platform string `json:"platform"`
}

// Read returns what was set at link time, and what Go itself recorded for the rest.
func Read() Info {
	linked := Info{Version: buildVersion, Commit: buildCommit, Date: buildDate}
	info, _ := debug.ReadBuildInfo()
	return completeVersion(linked, info)
}

// completeVersion fills the gaps of linked from info, which may be nil.
func completeVersion(linked Info, info *debug.BuildInfo) Info {
	linked.GoVersion = runtime.Version()
	linked.Platform = runtime.GOOS + "/" + runtime.GOARCH
	recorded := recordedVersion(info)
	if linked.Version == "" {
		linked.Version = recorded.Version
	}
	if linked.Commit == "" {
		linked.Commit = recorded.Commit
	}
	if linked.Date == "" {
		linked.Date = recorded.Date
	}
	return linked
}

func recordedVersion(info *debug.BuildInfo) Info {
	recorded := Info{Version: "devel"}
	if info == nil {
		return recorded
	}
	if info.Main.Version != "" && info.Main.Version != "(devel)" {
		recorded.Version = info.Main.Version
	}
	vcs := map[string]string{}
	for _, setting := range info.Settings {
		vcs[setting.Key] = setting.Value
	}
	recorded.Commit, recorded.Date = vcs["vcs.revision"], vcs["vcs.time"]
	if vcs["vcs.modified"] == "true" && recorded.Commit != "" {
		recorded.Commit += "-dirty"
	}
	return recorded
}

// Line returns the one line that a program of this name prints.
func (v Info) Line(program string) string {
	details := []string{}
	if v.Commit != "" {
		details = append(details, "commit "+v.Commit)
	}
	if v.Date != "" {
		details = append(details, "built "+v.Date)
	}
	details = append(details, v.GoVersion, v.Platform)
	return fmt.Sprintf("%s %s (%s)", program, v.Version, strings.Join(details, ", "))
}
