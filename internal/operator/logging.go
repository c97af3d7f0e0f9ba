package operator

import (
	"io"
	"log/slog"
)

// errorKey is the one key of errors in log lines; libraries that use logr write "err".
const errorKey = "error"

// SetupLogging returns the logger of the program: it writes lines of the given format to w, from the given level up.
// Levels below debug, which klog's verbosity 5 and up become, are shown as DEBUG. An unknown format means JSON.
// It changes nothing global: see RouteLibraries.
func SetupLogging(w io.Writer, level slog.Level, format LogFormat) *slog.Logger {
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: normaliseAttr}
	if format == LogText {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

// normaliseAttr makes lines of all sources look the same: four levels and one key for errors.
func normaliseAttr(groups []string, attr slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return attr
	}
	switch attr.Key {
	case slog.LevelKey:
		if level, ok := attr.Value.Any().(slog.Level); ok && level < slog.LevelInfo {
			attr.Value = slog.StringValue(slog.LevelDebug.String())
		}
	case "err":
		attr.Key = errorKey
	}
	return attr
}
