// Package logging makes all of the operator's log lines look alike, whoever writes them, and keeps out what must not
// be printed.
package logging

import (
	"io"
	"log/slog"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/options"
)

// deepest is the lowest level that is ever logged: klog's verbosity 7, which shows request headers without their
// tokens. From 8 on, client-go logs bodies: other people's tokens in TokenReviews, the private key in the runtime
// hooks' Secret, and whatever people put into the variables of Clusters.
const deepest = slog.Level(-7)

// New returns the program's logger, which writes lines of the given format to w, from the given level up, but never
// below deepest. Levels below debug, which come from klog's verbosity 5 and up, are shown as DEBUG. An unknown format
// means JSON. New changes nothing global: see RouteLibraries.
func New(w io.Writer, level slog.Level, format options.LogFormat) *slog.Logger {
	handling := &slog.HandlerOptions{Level: max(level, deepest), ReplaceAttr: normaliseAttr}
	if format == options.LogText {
		return slog.New(slog.NewTextHandler(w, handling))
	}
	return slog.New(slog.NewJSONHandler(w, handling))
}

// normaliseAttr makes lines from all sources look the same: four levels and one key for errors. Of the API server's
// errors it prints only what is safe to print, whoever logs them.
func normaliseAttr(groups []string, attr slog.Attr) slog.Attr {
	if err, ok := attr.Value.Any().(error); ok {
		attr.Value = slog.AnyValue(capi.Printable(err))
	}
	if len(groups) > 0 {
		return attr
	}
	switch attr.Key {
	case slog.LevelKey:
		if level, ok := attr.Value.Any().(slog.Level); ok && level < slog.LevelInfo {
			attr.Value = slog.StringValue(slog.LevelDebug.String())
		}
	case "err":
		attr.Key = names.ErrorKey
	}
	return attr
}
