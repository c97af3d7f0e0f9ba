// Package logging has all lines of the operator look alike, whoever writes them, and keeps out what may not be printed.
package logging

import (
	"io"
	"log/slog"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/options"
)

// deepest is the lowest level that is ever logged: klog's verbosity 7, the headers of requests, without their tokens.
// From 8 client-go logs bodies, and there are tokens of others in reviews of tokens, a private key in the Secret of the
// runtime hooks, and whatever people put into the variables of Clusters.
const deepest = slog.Level(-7)

// New returns the logger of the program: it writes lines of the given format to w, from the given level up. No level is
// below deepest. Levels below debug, which klog's verbosity 5 and up become, are shown as DEBUG. An unknown format
// means JSON. It changes nothing global: see RouteLibraries.
func New(w io.Writer, level slog.Level, format options.LogFormat) *slog.Logger {
	handling := &slog.HandlerOptions{Level: max(level, deepest), ReplaceAttr: normaliseAttr}
	if format == options.LogText {
		return slog.New(slog.NewTextHandler(w, handling))
	}
	return slog.New(slog.NewJSONHandler(w, handling))
}

// normaliseAttr makes lines of all sources look the same: four levels and one key for errors. Of what the API server
// answered it lets pass what may be printed, whoever logs it.
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
