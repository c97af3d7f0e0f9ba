package chaos

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gorizond/capi-vip-allocator/test/env/harness"
)

// These environment variables say what to run; each is optional.
const (
	// seedVariable is the seed of the first case; each further case has the next. If it is unset, the clock chooses.
	seedVariable = "CHAOS_SEED"
	// countVariable is how many cases to run.
	countVariable = "CHAOS_COUNT"
	// minutesVariable is how long to start new cases. Without it and without a count, the short form runs.
	minutesVariable = "CHAOS_MINUTES"
)

const (
	// short is how long the short form starts new cases.
	short = 2 * time.Minute
	// steps is how many operations a case has on average.
	steps = 30
	// tolerable is how many failed cases end a long run.
	tolerable = 5
)

// bounds say which cases to run.
type bounds struct {
	seed  uint64
	count int
	until time.Duration
}

func TestMain(m *testing.M) {
	flag.Parse()
	// Each check runs one case. rapid must not shrink it: that would run it many times, and the components would
	// behave differently each time.
	for name, value := range map[string]string{
		"rapid.checks": "1", "rapid.steps": strconv.Itoa(steps), "rapid.nofailfile": "true", "rapid.shrinktime": "0s",
	} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	if err := harness.CleanBuilds(); err != nil {
		fmt.Fprintln(os.Stderr, "FAIL:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// TestChaos runs one case after another, each with its own namespace, class and pools.
func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a real control plane")
	}
	bounds := fromEnvironment(t)
	report := newReport()
	defer func() { t.Log(report) }()
	var s *stage
	defer func() { s.close(t) }()
	begin := time.Now()
	for n := 0; bounds.more(n, time.Since(begin)) && report.failed() < tolerable; n++ {
		if s == nil {
			s = newStage(t, report, bounds.seed)
		}
		seed := bounds.seed + uint64(n)
		passed := t.Run(fmt.Sprintf("%s=%d", seedVariable, seed), func(t *testing.T) {
			require.NoError(t, flag.Set("rapid.seed", strconv.FormatUint(seed, 10)))
			testCase(t, s, seed)
		})
		if !passed { // what it has left must not disturb others
			s.close(t)
			s = nil
		}
	}
}

// testCase runs a case and reports how it ended. After a failure rapid wants it to fail again and again; it does so
// at once.
func testCase(t *testing.T, s *stage, seed uint64) {
	t.Helper()
	var c *chaos
	failure := errors.New("it did not come to its end")
	defer func() { s.report.ended(seed, failure) }()
	rapid.Check(t, func(rt *rapid.T) {
		if c == nil {
			c = newChaos(t, s, rt)
			c.run(rt)
			failure = c.failure
		}
		if c.failure != nil {
			rt.Fatalf("%s\n%s=%d did:\n%s", c.failure, seedVariable, seed, c.log.String())
		}
	})
}

func fromEnvironment(t *testing.T) bounds {
	t.Helper()
	number := func(name string, fallback uint64) uint64 {
		text := os.Getenv(name)
		if text == "" {
			return fallback
		}
		value, err := strconv.ParseUint(text, 10, 32)
		require.NoError(t, err, "%s must be a number", name)
		return value
	}
	b := bounds{
		seed: number(seedVariable, uint64(rand.Uint32())), count: int(number(countVariable, 0)),
		until: time.Duration(number(minutesVariable, 0)) * time.Minute,
	}
	if b.count == 0 && b.until == 0 {
		b.until = short
	}
	return b
}

// more reports whether to start another case.
func (b bounds) more(ran int, after time.Duration) bool {
	return (b.count == 0 || ran < b.count) && (b.until == 0 || after < b.until)
}
