package options

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// env returns a LookupEnv for pairs of names and values.
func env(pairs ...string) LookupEnv {
	return func(key string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == key {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

// inPod returns the environment of an ordinary pod.
func inPod() LookupEnv { return env("POD_NAMESPACE", "vip-system") }

func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// given returns parsed and completed options.
func given(t *testing.T, lookup LookupEnv, args ...string) (*Options, error) {
	t.Helper()
	o, err := Parse(args, io.Discard)
	require.NoError(t, err, "parsing must leave bad values to Validate")
	o.namespaceFile = filepath.Join(t.TempDir(), "absent")
	err = o.Complete(lookup)
	return o, err
}

func TestOptionsDefaults(t *testing.T) {
	o, err := given(t, inPod())
	require.NoError(t, err)
	require.NoError(t, o.Validate())
	assert.Empty(t, o.Notices())

	assert.Equal(t, 10*time.Second, o.RetryInterval)
	assert.Equal(t, 30*time.Second, o.ReconcilePeriod)
	assert.Equal(t, int32(6443), o.DefaultPort)
	assert.Equal(t, ":9440", o.HealthAddress)
	assert.Equal(t, ":8443", o.DiagnosticsAddress)
	assert.False(t, o.InsecureDiagnostics)
	assert.Empty(t, o.ProfilerAddress)
	assert.Equal(t, LeaderElection{
		Enabled: true, ID: "capi-vip-allocator-leader", Namespace: "vip-system",
		LeaseDuration: 15 * time.Second, RenewDeadline: 10 * time.Second, RetryPeriod: 2 * time.Second,
	}, o.LeaderElection)
}

func TestOptionsPrecedence(t *testing.T) {
	const file = "retryInterval: 20s\nreconcilePeriod: 2m\ndefaultPort: 7443\nbaseDomain: clusters.example.com\n"
	tests := map[string]struct {
		file  string
		args  []string
		check func(*testing.T, *Options)
	}{
		"if only the file says something, should take the file": {
			file: file,
			check: func(t *testing.T, o *Options) {
				assert.Equal(t, 20*time.Second, o.RetryInterval)
				assert.Equal(t, 2*time.Minute, o.ReconcilePeriod)
				assert.Equal(t, int32(7443), o.DefaultPort)
				assert.Equal(t, "clusters.example.com", o.BaseDomain)
			},
		},
		"if flag and file say something, should take the flag even where it repeats the default": {
			file: file,
			args: []string{"--retry-interval=10s", "--default-port=6443", "--base-domain="},
			check: func(t *testing.T, o *Options) {
				assert.Equal(t, 10*time.Second, o.RetryInterval)
				assert.Equal(t, 2*time.Minute, o.ReconcilePeriod)
				assert.Equal(t, int32(6443), o.DefaultPort)
				assert.Empty(t, o.BaseDomain)
			},
		},
		"if the file is empty, should keep the defaults": {
			check: func(t *testing.T, o *Options) { assert.Equal(t, DefaultRetryInterval, o.RetryInterval) },
		},
		"if numbers and text are quoted the other way round, should take them": {
			file: "defaultPort: \"7443\"\nbaseDomain: 1234\n",
			check: func(t *testing.T, o *Options) {
				assert.Equal(t, int32(7443), o.DefaultPort)
				assert.Equal(t, "1234", o.BaseDomain)
			},
		},
		"if only --sync-period is given, should take it as the reconcile period": {
			args:  []string{"--sync-period=600s"},
			check: func(t *testing.T, o *Options) { assert.Equal(t, 10*time.Minute, o.ReconcilePeriod) },
		},
		"if --sync-period is given and the file has a reconcile period, should take the flag": {
			file: file,
			args: []string{"--sync-period=600s"},
			check: func(t *testing.T, o *Options) {
				assert.Equal(t, 10*time.Minute, o.ReconcilePeriod)
				assert.Equal(t, 20*time.Second, o.RetryInterval, "the rest of the file counts")
			},
		},
		"if --sync-period and --reconcile-period are given, should take the latter": {
			file:  file,
			args:  []string{"--sync-period=600s", "--reconcile-period=45s"},
			check: func(t *testing.T, o *Options) { assert.Equal(t, 45*time.Second, o.ReconcilePeriod) },
		},
		"if --sync-period is zero, should take what the file says": {
			file:  file,
			args:  []string{"--sync-period=0s"},
			check: func(t *testing.T, o *Options) { assert.Equal(t, 2*time.Minute, o.ReconcilePeriod) },
		},
		"if --sync-period overrides a bad value of the file, should not mind the file": {
			file:  "reconcilePeriod: never\n",
			args:  []string{"--sync-period=600s"},
			check: func(t *testing.T, o *Options) { assert.Equal(t, 10*time.Minute, o.ReconcilePeriod) },
		},
		"if a flag overrides a bad value of the file, should not mind the file": {
			file:  "defaultPort: 0\n",
			args:  []string{"--default-port=8443"},
			check: func(t *testing.T, o *Options) { assert.Equal(t, int32(8443), o.DefaultPort) },
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			path := writeFile(t, "config.yaml", test.file)
			o, err := given(t, inPod(), append(test.args, "--config="+path)...)
			require.NoError(t, err)
			require.NoError(t, o.Validate())
			test.check(t, o)
		})
	}
}

func TestOptionsInjectedFlags(t *testing.T) {
	tests := map[string]struct {
		args  []string
		check func(*testing.T, *Options)
	}{
		"if --max-concurrent-reconciles is given, should be the concurrency": {
			args:  []string{"--max-concurrent-reconciles=7"},
			check: func(t *testing.T, o *Options) { assert.Equal(t, 7, o.Concurrency) },
		},
		"if --cluster-concurrency is given too, should win": {
			args:  []string{"--cluster-concurrency=3", "--max-concurrent-reconciles=7"},
			check: func(t *testing.T, o *Options) { assert.Equal(t, 3, o.Concurrency) },
		},
		"if the kind has its group, should be understood the same": {
			args:  []string{"--cluster.cluster.x-k8s.io-concurrency=4"},
			check: func(t *testing.T, o *Options) { assert.Equal(t, 4, o.Concurrency) },
		},
		"if other kinds have a concurrency, should ignore them and say so at debug": {
			args: []string{
				"--machine-concurrency=4", "--machinepool.cluster.x-k8s.io-concurrency", "5", "--machine-concurrency=6",
			},
			check: func(t *testing.T, o *Options) {
				assert.Equal(t, DefaultConcurrency, o.Concurrency)
				notices := o.Notices()
				require.Len(t, notices, 1)
				assert.Equal(t, slog.LevelDebug, notices[0].Level)
				assert.Contains(t, notices[0].Attrs[0].String(),
					"machine-concurrency machinepool.cluster.x-k8s.io-concurrency")
			},
		},
		"if the Lease is NAMESPACE/NAME, should split it": {
			args: []string{"--leader-election-id=elsewhere/my-lease"},
			check: func(t *testing.T, o *Options) {
				assert.Equal(t, "my-lease", o.LeaderElection.ID)
				assert.Equal(t, "elsewhere", o.LeaderElection.Namespace)
			},
		},
		"if the Lease's namespace is given, should win over $POD_NAMESPACE": {
			args: []string{"--leader-election-id=my-lease", "--leader-election-namespace=elsewhere"},
			check: func(t *testing.T, o *Options) {
				assert.Equal(t, "my-lease", o.LeaderElection.ID)
				assert.Equal(t, "elsewhere", o.LeaderElection.Namespace)
				assert.Equal(t, "vip-system", o.PodNamespace)
			},
		},
		"if --metrics-bind-addr is given, should serve plain metrics there and warn": {
			args: []string{"--metrics-bind-addr=127.0.0.1:8080", "--diagnostics-address=:8443"},
			check: func(t *testing.T, o *Options) {
				assert.Equal(t, "127.0.0.1:8080", o.DiagnosticsAddress)
				assert.True(t, o.InsecureDiagnostics)
				require.Len(t, o.Notices(), 1)
				assert.Contains(t, o.Notices()[0].Message, "deprecated")
			},
		},
		"if plain diagnostics and profiles are exposed, should warn of both": {
			args: []string{"--insecure-diagnostics", "--profiler-address=:6060"},
			check: func(t *testing.T, o *Options) {
				assert.True(t, o.InsecureDiagnostics)
				assert.Len(t, o.Notices(), 2)
			},
		},
		"if plain diagnostics and profiles are on loopback, should not warn": {
			args: []string{
				"--insecure-diagnostics=true", "--profiler-address=localhost:6060", "--diagnostics-address=[::1]:8443",
			},
			check: func(t *testing.T, o *Options) { assert.Empty(t, o.Notices()) },
		},
		"if --v is 4 or more, should log debug": {
			args:  []string{"--v=6", "--log-level=warn"},
			check: func(t *testing.T, o *Options) { assert.Equal(t, slog.Level(-6), o.LogLevel) },
		},
		"if --v is less, should leave the level alone": {
			args: []string{"-v=2", "--log-level=warn", "--log-format=text"},
			check: func(t *testing.T, o *Options) {
				assert.Equal(t, slog.LevelWarn, o.LogLevel)
				assert.Equal(t, LogText, o.LogFormat)
			},
		},
		"if feature gates are not known, should keep them and warn": {
			args: []string{"--feature-gates=B=true,A=false", "--feature-gates=C=true,"},
			check: func(t *testing.T, o *Options) {
				assert.Equal(t, map[string]bool{"A": false, "B": true, "C": true}, o.FeatureGates)
				assert.Contains(t, o.Notices()[0].Attrs[0].String(), "[A B C]")
			},
		},
		"if servers are switched off either way, should accept that": {
			args: []string{"--health-addr=0", "--diagnostics-address=", "--webhook-port=0"},
			check: func(t *testing.T, o *Options) {
				assert.True(t, IsOff(o.HealthAddress))
				assert.True(t, IsOff(o.DiagnosticsAddress))
			},
		},
		"if the rest of what may be injected is given, should keep it": {
			args: []string{
				"--namespace=team-a", "--watch-filter=x", "--webhook-host=0.0.0.0", "--webhook-port=9999",
				"--webhook-cert-dir=/certs",
				"--kube-api-qps=0.5", "--kube-api-burst=1", "--leader-elect-lease-duration=60s",
				"--leader-elect-renew-deadline=40s",
				"--leader-elect-retry-period=5s", "--version",
			},
			check: func(t *testing.T, o *Options) {
				assert.Equal(t, "team-a", o.Namespace)
				assert.Equal(t, "x", o.WatchFilter)
				assert.Equal(t, Webhook{Host: "0.0.0.0", Port: 9999, CertDir: "/certs"}, o.Webhook)
				assert.InDelta(t, 0.5, o.KubeAPIQPS, 1e-6)
				assert.Equal(t, time.Minute, o.LeaderElection.LeaseDuration)
				assert.True(t, o.ShowVersion)
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o, err := given(t, inPod(), test.args...)
			require.NoError(t, err)
			require.NoError(t, o.Validate())
			test.check(t, o)
		})
	}
}

func TestOptionsUsage(t *testing.T) {
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	o := New()
	o.AddFlags(fs)
	o.acceptKindConcurrency(fs, []string{"--machine-concurrency=1", "--", "--late-concurrency=1"})
	usage := fs.FlagUsages()
	assert.Contains(t, usage, "--default-port int")
	assert.Contains(t, usage, "(default 6443)")
	assert.NotContains(t, usage, "--machine-concurrency int")
	assert.Nil(t, fs.Lookup("late-concurrency"), "what stands behind -- is no flag")
	require.Error(t, fs.Parse([]string{"--no-such-flag"}), "a slip in a flag's name must not pass")
	fs.VisitAll(func(flag *pflag.Flag) {
		assert.NotEmpty(t, flag.Usage, flag.Name)
		assert.NotContains(t, flag.Usage, "`", "pflag takes quoted words for the value's name: "+flag.Name)
	})
}

func TestLogNotices(t *testing.T) {
	o, err := given(t, inPod(), "--feature-gates=New=true")
	require.NoError(t, err)
	var log bytes.Buffer
	o.LogNotices(t.Context(), slog.New(slog.NewJSONHandler(&log, nil)))
	assert.Contains(t, log.String(), `"level":"WARN"`)
	assert.Contains(t, log.String(), `"gates":["New"]`)
	assert.Equal(t, 1, strings.Count(log.String(), "\n"))
}
