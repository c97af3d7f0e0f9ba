package options

import (
	"context"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
)

// Notice is something about the options that the user should know, but that does not prevent the start.
type Notice struct {
	// Level is how urgent it is.
	Level slog.Level
	// Message says what is wrong and what to do about it.
	Message string
	// Attrs are the names and values in question.
	Attrs []slog.Attr
}

// Notices returns the notices about the options, in a stable order. Call it after Complete.
func (o *Options) Notices() []Notice {
	var notices []Notice
	if unknown := o.unknownGates(); len(unknown) > 0 {
		notices = append(notices, Notice{
			slog.LevelWarn, "unknown feature gates are ignored",
			[]slog.Attr{slog.Any("gates", unknown)},
		})
	}
	if o.metricsBindAddress != "" {
		notices = append(notices, Notice{
			slog.LevelWarn,
			"--metrics-bind-addr is deprecated: metrics are served there in plain HTTP; " +
				"use --diagnostics-address, with --insecure-diagnostics if they must stay plain",
			[]slog.Attr{slog.String("address", o.metricsBindAddress)},
		})
	}
	if o.InsecureDiagnostics && isExposed(o.DiagnosticsAddress) {
		notices = append(notices, Notice{
			slog.LevelWarn,
			"metrics are served to anyone who can reach this address; " +
				"unset --insecure-diagnostics or bind to 127.0.0.1",
			[]slog.Attr{slog.String("address", o.DiagnosticsAddress)},
		})
	}
	if isExposed(o.ProfilerAddress) {
		notices = append(notices, Notice{
			slog.LevelWarn,
			"profiles, which hold memory contents, are served to anyone who can reach this address; " +
				"use --profiler-address=127.0.0.1:6060",
			[]slog.Attr{slog.String("address", o.ProfilerAddress)},
		})
	}
	if len(o.ignoredKinds) > 0 {
		notices = append(notices, Notice{
			slog.LevelDebug, "concurrency flags of kinds that this operator has no controller for are ignored",
			[]slog.Attr{slog.Any("flags", o.ignoredKinds)},
		})
	}
	return notices
}

// LogNotices writes the notices to logger.
func (o *Options) LogNotices(ctx context.Context, logger *slog.Logger) {
	for _, notice := range o.Notices() {
		logger.LogAttrs(ctx, notice.Level, notice.Message, notice.Attrs...)
	}
}

// unknownGates returns all gates given, since this version knows none; remove future ones here.
func (o *Options) unknownGates() []string {
	return slices.Sorted(maps.Keys(o.FeatureGates))
}

// isExposed reports whether an address can be reached from other machines.
func isExposed(address string) bool {
	if IsOff(address) {
		return false
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil || host == "localhost" {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return err != nil || !ip.IsLoopback()
}
