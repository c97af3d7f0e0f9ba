package logging

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"

	lassolog "github.com/rancher/lasso/pkg/log"
	"github.com/sirupsen/logrus"
	"k8s.io/klog/v2"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// RouteLibraries sends the libraries' logs to logger: klog (client-go, including its runtime error handlers), lasso,
// logrus (wrangler) and the standard packages log and log/slog. At level info and above, client-go's verbose messages
// do not appear. RouteLibraries sets globals of those libraries: call it once, before anything else starts.
func RouteLibraries(logger *slog.Logger) {
	slog.SetDefault(logger)
	routeKlog(logger)
	routeLasso(logger)
	routeLogrus(logger)
}

func routeKlog(logger *slog.Logger) {
	klog.SetSlogLogger(logger)
	// klog has its own threshold for calls without a context; set it to the logger's. klog writes verbosity n as
	// slog's level -n.
	verbosity := 0
	for verbosity < int(-deepest) && logger.Enabled(context.Background(), slog.Level(-verbosity-1)) {
		verbosity++
	}
	var level klog.Level
	if err := level.Set(strconv.Itoa(verbosity)); err != nil {
		logger.Error("cannot set klog's verbosity", slog.Any(names.ErrorKey, err))
	}
}

func routeLasso(logger *slog.Logger) {
	// Messages such as lasso's "Starting ... controller" tell users nothing.
	lassolog.Infof = func(format string, args ...any) { logger.Debug(fmt.Sprintf(format, args...)) }
	lassolog.Debugf = lassolog.Infof
	//nolint:reassign // this is how lasso takes a logger
	lassolog.Errorf = func(format string, args ...any) { logLassoError(logger, fmt.Sprintf(format, args...)) }
}

// logLassoError logs lasso's errors. The most common says that a handler failed and will be retried, which is not an
// error of the program yet; its text comes from lasso's processSingleItem.
func logLassoError(logger *slog.Logger, message string) {
	rest, isSync := strings.CutPrefix(message, "error syncing '")
	key, cause, found := strings.Cut(rest, "': ")
	if !isSync || !found {
		logger.Error(message)
		return
	}
	logger.Warn("sync failed and will be tried again", slog.String("key", key),
		slog.String(names.ErrorKey, strings.TrimSuffix(cause, ", requeuing")))
}

func routeLogrus(logger *slog.Logger) {
	logrus.SetOutput(io.Discard)
	// logrus filters before it calls its hooks; logger's handler filters anyway.
	logrus.SetLevel(logrus.DebugLevel)
	hooks := logrus.LevelHooks{}
	hooks.Add(logrusHook{logger: logger})
	logrus.StandardLogger().ReplaceHooks(hooks)
}

// logrusHook passes every entry on to a slog.Logger.
type logrusHook struct{ logger *slog.Logger }

// Levels implements logrus.Hook.
func (logrusHook) Levels() []logrus.Level { return logrus.AllLevels }

// Fire implements logrus.Hook; it never fails.
func (h logrusHook) Fire(entry *logrus.Entry) error {
	ctx := entry.Context
	if ctx == nil {
		ctx = context.Background()
	}
	attrs := make([]slog.Attr, 0, len(entry.Data))
	for _, key := range slices.Sorted(maps.Keys(entry.Data)) {
		attrs = append(attrs, slog.Any(key, entry.Data[key]))
	}
	h.logger.LogAttrs(ctx, slogLevel(entry.Level), entry.Message, attrs...)
	return nil
}

func slogLevel(level logrus.Level) slog.Level {
	switch level {
	case logrus.PanicLevel, logrus.FatalLevel, logrus.ErrorLevel:
		return slog.LevelError
	case logrus.WarnLevel:
		return slog.LevelWarn
	case logrus.InfoLevel:
		return slog.LevelInfo
	default:
		return slog.LevelDebug
	}
}
