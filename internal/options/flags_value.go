package options

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// boolType is the type of flags that need no value.
const boolType = "bool"

// flagValue is a pflag.Value that keeps text it cannot parse for Validate, instead of failing at the first mistake,
// so that users learn of all mistakes at once. The config file is read through the same values.
type flagValue[T any] struct {
	target *T
	parse  func(string) (T, error)
	format func(T) string
	kind   string
	refuse func(raw string)
}

var _ pflag.Value = flagValue[string]{}

// Set implements pflag.Value; it never fails.
func (v flagValue[T]) Set(raw string) error {
	if parsed, err := v.parse(strings.TrimSpace(raw)); err == nil {
		*v.target = parsed
	} else {
		v.refuse(raw)
	}
	return nil
}

// String implements pflag.Value.
func (v flagValue[T]) String() string {
	if v.target == nil {
		// pflag calls this on the zero value to decide whether to print a default.
		return ""
	}
	return v.format(*v.target)
}

// Type implements pflag.Value.
func (v flagValue[T]) Type() string { return v.kind }

func newValue[T any](
	o *Options, flag, kind string, target *T, parse func(string) (T, error), format func(T) string,
) pflag.Value {
	refuse := func(raw string) { o.refused[flag] = raw }
	return flagValue[T]{target: target, parse: parse, format: format, kind: kind, refuse: refuse}
}

func (o *Options) durationValue(flag string, target *time.Duration) pflag.Value {
	return newValue(o, flag, "duration", target, time.ParseDuration, time.Duration.String)
}

func (o *Options) intValue(flag string, target *int) pflag.Value {
	return newValue(o, flag, "int", target, strconv.Atoi, strconv.Itoa)
}

func (o *Options) int32Value(flag string, target *int32) pflag.Value {
	parse := func(raw string) (int32, error) {
		number, err := strconv.ParseInt(raw, 10, 32)
		return int32(number), err
	}
	return newValue(o, flag, "int", target, parse, func(n int32) string { return strconv.Itoa(int(n)) })
}

func (o *Options) floatValue(flag string, target *float32) pflag.Value {
	parse := func(raw string) (float32, error) {
		number, err := strconv.ParseFloat(raw, 32)
		return float32(number), err
	}
	return newValue(o, flag, "float", target, parse, func(n float32) string { return fmt.Sprint(n) })
}

func (o *Options) boolValue(flag string, target *bool) pflag.Value {
	return newValue(o, flag, boolType, target, strconv.ParseBool, strconv.FormatBool)
}

func (o *Options) textValue(flag string, target *string) pflag.Value {
	parse := func(raw string) (string, error) { return raw, nil }
	return newValue(o, flag, "string", target, parse, func(s string) string { return s })
}

func (o *Options) formatValue(flag string, target *LogFormat) pflag.Value {
	parse := func(raw string) (LogFormat, error) { return LogFormat(raw), nil }
	return newValue(o, flag, "string", target, parse, func(f LogFormat) string { return string(f) })
}

func (o *Options) levelValue(flag string, target *slog.Level) pflag.Value {
	return newValue(o, flag, "string", target, parseLevel, func(l slog.Level) string {
		return strings.ToLower(l.String())
	})
}

//nolint:gocritic // the map is replaced
func (o *Options) gatesValue(flag string, target *map[string]bool) pflag.Value {
	parse := func(raw string) (map[string]bool, error) {
		// Repeated flags add up, as Kubernetes' own --feature-gates do.
		gates := maps.Clone(*target)
		return gates, addGates(gates, raw)
	}
	return newValue(o, flag, "name=bool,...", target, parse, formatGates)
}

// parseLevel accepts only the four documented names; slog itself would also accept "INFO+2".
func parseLevel(raw string) (slog.Level, error) {
	switch raw {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	default:
		return 0, fmt.Errorf("unknown level %q", raw)
	}
}

var errGate = errors.New("not of the form name=true|false")

// addGates parses a list of feature gates into gates.
func addGates(gates map[string]bool, raw string) error {
	for _, pair := range strings.Split(raw, ",") {
		pair = strings.TrimSpace(pair)
		if pair == "" {
			continue
		}
		name, text, found := strings.Cut(pair, "=")
		name = strings.TrimSpace(name)
		on, err := strconv.ParseBool(strings.TrimSpace(text))
		if !found || name == "" || err != nil {
			return fmt.Errorf("%q: %w", pair, errGate)
		}
		gates[name] = on
	}
	return nil
}

func formatGates(gates map[string]bool) string {
	pairs := make([]string, 0, len(gates))
	for _, name := range slices.Sorted(maps.Keys(gates)) {
		pairs = append(pairs, name+"="+strconv.FormatBool(gates[name]))
	}
	return strings.Join(pairs, ",")
}
