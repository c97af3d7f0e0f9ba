package options

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOptionsValidate(t *testing.T) {
	tests := map[string]struct {
		args []string
		file string
		// wants are parts of the error, in any order; lines is how many problems it lists.
		wants []string
		lines int
	}{
		"if a duration has no unit, should name the flag, the value and what is accepted": {
			args: []string{"--retry-interval=10"}, lines: 1,
			wants: []string{
				`--retry-interval: "10" is refused, accepted is a duration such as 10s or 1m30s, from 100ms to 1h0m0s`,
			},
		},
		"if many values are bad, should list them all": {
			args: []string{
				"--retry-interval=1ns", "--reconcile-period=48h", "--default-port=70000", "--base-domain=Bad_Domain",
				"--kube-api-qps=-1",
				"--kube-api-burst=x", "--namespace=a/b", "--watch-filter=a b", "--max-concurrent-reconciles=0",
				"--log-level=loud", "--log-format=xml",
				"--v=-1", "--health-addr=9440", "--diagnostics-address=:http", "--profiler-address=:65536",
				"--insecure-diagnostics=maybe",
				"--webhook-host=a b", "--webhook-port=-1", "--feature-gates=A", "--leader-elect=perhaps",
				"--leader-election-id=A_B",
				"--leader-election-namespace=C_D", "--leader-elect-lease-duration=500ms",
				"--leader-elect-renew-deadline=x",
				"--leader-elect-retry-period=1ns", "--sync-period=never", "--version=1.0",
			},
			// One line more: with these, the renew deadline's default exceeds the lease duration.
			lines: 28,
			wants: []string{
				`--feature-gates: "A"`, `--webhook-port: "-1"`, `--max-concurrent-reconciles: "0"`,
				`--profiler-address: ":65536"`, `--sync-period: "never"`,
			},
		},
		"if a rate is no number, should be refused": {
			args: []string{"--kube-api-qps=NaN"}, lines: 1, wants: []string{`--kube-api-qps: "NaN" is refused`},
		},
		"if values of the file are bad, should name key and file": {
			file: "retryInterval: 10\ndefaultPort: [1]\nreconcilePeriod: null\nbaseDomain: true\n", lines: 4,
			wants: []string{
				`retryInterval in `, `config.yaml: "10" is refused`, `defaultPort in `, `"[1]" is refused`,
				`"null"`, `"true"`,
			},
		},
		"if the file has keys that do not exist, should name them and those that do": {
			file: "retryinterval: 10s\nport: 1\n", lines: 2,
			wants: []string{
				`"retryinterval" is refused, accepted is one of the keys ` +
					`retryInterval, reconcilePeriod, probeTimeout, defaultPort, baseDomain`, `"port"`,
			},
		},
		"if the renew deadline is not below the lease duration, should be refused": {
			args: []string{"--leader-elect-renew-deadline=15s"}, lines: 1,
			wants: []string{"less than --leader-elect-lease-duration=15s"},
		},
		"if the retry period with jitter is not below the renew deadline, should be refused": {
			args: []string{"--leader-elect-retry-period=9s"}, lines: 1,
			wants: []string{"less than --leader-elect-renew-deadline=10s divided by 1.2"},
		},
		"if two flags name two namespaces for the Lease, should be refused": {
			args: []string{"--leader-election-id=a/lease", "--leader-election-namespace=b"}, lines: 1,
			wants: []string{"--leader-election-namespace=b names"},
		},
		"if leader election is off, should not judge its timings": {
			args: []string{"--leader-elect=false", "--leader-elect-renew-deadline=15s", "--leader-election-id=A_B"},
		},
		"if leader election is off, should still refuse what cannot be understood": {
			args: []string{"--leader-elect=false", "--leader-elect-renew-deadline=x"}, lines: 1,
			wants: []string{`--leader-elect-renew-deadline: "x"`},
		},
		"if --metrics-bind-addr is bad, should be named rather than the flag it stands for": {
			args: []string{"--metrics-bind-addr=nonsense"}, lines: 1,
			wants: []string{`--metrics-bind-addr: "nonsense"`},
		},
		"if --sync-period is out of bounds, should be listed once": {
			args: []string{"--sync-period=1ms"}, lines: 1, wants: []string{`--sync-period: "1ms"`},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			args := test.args
			if test.file != "" {
				args = append(args, "--config="+writeFile(t, "config.yaml", test.file))
			}
			o, err := given(t, inPod(), args...)
			require.NoError(t, err)
			err = o.Validate()
			if test.lines == 0 {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, ErrInvalidOptions)
			for _, want := range test.wants {
				require.ErrorContains(t, err, want)
			}
			assert.Len(t, splitLines(err.Error())[1:], test.lines, err.Error())
		})
	}
}

// TestTable checks that each option occurs once, and that options that can be refused say what they accept.
func TestTable(t *testing.T) {
	o := New()
	flags, keys := map[string]bool{}, map[string]bool{"": true}
	for _, s := range o.settings() {
		assert.False(t, flags[s.flag], "%s is there twice", s.flag)
		flags[s.flag] = true
		assert.True(t, s.key == "" || !keys[s.key] && s.text != nil, s.key)
		keys[s.key] = true
		require.NoError(t, s.value.Set("\n="))
		assert.True(t, o.refused[s.flag] == "" || s.accepts != "", s.flag)
	}
}

func TestIsAddress(t *testing.T) {
	tests := map[string]bool{
		"": true, "0": true, ":0": true, ":9440": true, "127.0.0.1:1": true, "[::1]:65535": true, "localhost:80": true,
		"Host.Example:80": true,
		"9440":            false, ":": false, ":-1": false, ":65536": false, ":http": false, "::1:80": false,
		"a b:80":    false,
		"127.0.0.1": false,
	}
	for address, want := range tests {
		assert.Equal(t, want, isAddress(address), "%q", address)
	}
}
