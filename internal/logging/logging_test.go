package logging

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"
	"strings"
	"testing"

	lassolog "github.com/rancher/lasso/pkg/log"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/klog/v2"

	"github.com/gorizond/capi-vip-allocator/internal/options"
)

func TestNew(t *testing.T) {
	var text bytes.Buffer
	logger := New(&text, slog.LevelWarn, options.LogText)
	logger.Info("quiet")
	logger.Warn("loud", "err", errors.New("broken"))
	assert.NotContains(t, text.String(), "quiet")
	assert.Contains(t, text.String(), "level=WARN msg=loud error=broken")

	var object bytes.Buffer
	logger = New(&object, slog.Level(-6), options.LogJSON)
	logger.Log(t.Context(), slog.Level(-6), "deep", slog.Group("inner", slog.String("err", "kept")))
	var line map[string]any
	require.NoError(t, json.Unmarshal(object.Bytes(), &line))
	assert.Equal(t, "DEBUG", line["level"])
	assert.Equal(t, map[string]any{"err": "kept"}, line["inner"])
}

// TestAnswersAreNotQuoted: admission webhooks quote what they refuse. The log must say only who refused what.
func TestAnswersAreNotQuoted(t *testing.T) {
	const secret = "correct-horse-battery"
	variable := field.NewPath("spec", "topology", "variables").Key("password").Child("value")
	invalid := apierrors.NewInvalid(schema.GroupKind{Kind: "Cluster"}, "one",
		field.ErrorList{field.Invalid(variable, secret, "too long")})
	text := routed(t, slog.LevelDebug)
	slog.Warn("ours", slog.Any("cause", fmt.Errorf("write: %w", invalid)), slog.Group("deep", slog.Any("err", invalid)))
	klog.ErrorS(invalid, "client-go's")
	utilruntime.HandleErrorWithContext(t.Context(), invalid, "a handler's")
	assert.Equal(t, 4, strings.Count(text.String(), variable.String()), text.String())
	assert.NotContains(t, text.String(), secret)
}

// TestBodiesAreNotLogged: from verbosity 8 on, client-go logs request bodies, including tokens and keys.
func TestBodiesAreNotLogged(t *testing.T) {
	var text bytes.Buffer
	logger := New(&text, slog.Level(-99), options.LogText)
	for verbosity := range 11 {
		assert.Equal(t, verbosity < 8, logger.Enabled(t.Context(), slog.Level(-verbosity)), "%d", verbosity)
	}
}

// routed sends all libraries' logs to the returned buffer until the test ends.
func routed(t *testing.T, level slog.Level) *bytes.Buffer {
	t.Helper()
	standard, output, flags := slog.Default(), log.Writer(), log.Flags()
	infof, errorf, debugf := lassolog.Infof, lassolog.Errorf, lassolog.Debugf
	t.Cleanup(func() {
		slog.SetDefault(standard)
		log.SetOutput(output)
		log.SetFlags(flags)
		lassolog.Infof, lassolog.Errorf, lassolog.Debugf = infof, errorf, debugf
		logrus.StandardLogger().ReplaceHooks(logrus.LevelHooks{})
		logrus.SetOutput(os.Stderr)
		klog.ClearLogger()
	})
	buffer := &bytes.Buffer{}
	RouteLibraries(New(buffer, level, options.LogJSON))
	return buffer
}

func TestRouteLibraries(t *testing.T) {
	type line struct{ Level, Msg, Error, Key, Pool string }
	tests := map[string]struct {
		level slog.Level
		log   func()
		want  []line
	}{
		"if a handler of lasso fails, should be one warning with the key": {
			log: func() {
				lassolog.Errorf("%v", errors.New("error syncing 'ns/name': handler vip: it's: broken, requeuing"))
			},
			want: []line{{
				Level: "WARN", Msg: "sync failed and will be tried again", Key: "ns/name",
				Error: "handler vip: it's: broken",
			}},
		},
		"if lasso has another error, should be an error": {
			log:  func() { lassolog.Errorf("error decoding object, invalid type") },
			want: []line{{Level: "ERROR", Msg: "error decoding object, invalid type"}},
		},
		"if lasso chats, should keep it for debug": {
			log: func() { lassolog.Infof("Starting %s controller", "x"); lassolog.Debugf("y") },
		},
		"if lasso chats at debug, should show it": {
			level: slog.LevelDebug,
			log:   func() { lassolog.Infof("Starting %s controller", "x") },
			want:  []line{{Level: "DEBUG", Msg: "Starting x controller"}},
		},
		"if client-go chats, should be quiet": {
			log: func() { klog.V(1).Info("one"); klog.Background().V(1).Info("two") },
		},
		"if client-go has something to say, should show it": {
			log:  func() { klog.InfoS("three", "pool", "a"); klog.Errorf("four %d", 4) },
			want: []line{{Level: "INFO", Msg: "three", Pool: "a"}, {Level: "ERROR", Msg: "four 4"}},
		},
		"if the level is debug, should show klog up to 4": {
			level: slog.LevelDebug,
			log: func() {
				klog.V(4).Info("in")
				klog.V(5).Info("out")
				klog.Background().V(5).Info("out")
			},
			want: []line{{Level: "DEBUG", Msg: "in"}},
		},
		"if --v asks for more, should show more": {
			level: slog.Level(-6),
			log:   func() { klog.V(6).Info("in"); klog.V(7).Info("out") },
			want:  []line{{Level: "DEBUG", Msg: "in"}},
		},
		"if a runtime error is handled, should be an error": {
			log: func() {
				utilruntime.HandleErrorWithContext(t.Context(), errors.New("broken"), "watch failed", "pool", "b")
			},
			want: []line{{Level: "ERROR", Msg: "watch failed", Error: "broken", Pool: "b"}},
		},
		"if wrangler logs through logrus, should keep level and fields": {
			log: func() {
				logrus.WithField("pool", "c").WithError(errors.New("broken")).Warn("careful")
				logrus.Info("fine")
				logrus.Error("bad")
				logrus.Debug("hidden")
			},
			want: []line{{Level: "WARN", Msg: "careful", Error: "broken", Pool: "c"}, {Level: "INFO", Msg: "fine"}, {
				Level: "ERROR", Msg: "bad",
			}},
		},
		"if the standard logger is used, should be info": {
			log:  func() { log.Print("plain") },
			want: []line{{Level: "INFO", Msg: "plain"}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			buffer := routed(t, test.level)
			test.log()
			var got []line
			for text := range strings.Lines(buffer.String()) {
				var l line
				require.NoError(t, json.Unmarshal([]byte(text), &l), text)
				got = append(got, l)
			}
			assert.Equal(t, test.want, got)
		})
	}
}

func TestRouteLibrariesTwice(t *testing.T) {
	routed(t, slog.LevelInfo)
	buffer := routed(t, slog.LevelInfo)
	logrus.Info("once")
	assert.Equal(t, 1, strings.Count(buffer.String(), "once"))
}
