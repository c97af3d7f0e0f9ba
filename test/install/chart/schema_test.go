package chart

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/gorizond/capi-vip-allocator/test/install/internal/helm"
)

func TestSchemaRefuses(t *testing.T) {
	tests := map[string]struct {
		values string
		// wants are parts of the message: where, and what is wrong.
		wants []string
	}{
		"if a top-level name is a slip": {"controler: {replicas: 1}", []string{"controler", "not allowed"}},
		"if a nested name is a slip": {
			"controller: {reconcilePeriode: 30s}",
			[]string{"/controller", "reconcilePeriode", "not allowed"},
		},
		"if a duration is a number": {
			"controller: {retryInterval: 10}",
			[]string{"/controller/retryInterval", "got number, want string"},
		},
		"if a lease's duration is bad": {
			"controller: {leaderElection: {leaseDuration: 15}}",
			[]string{"/controller/leaderElection/leaseDuration"},
		},
		"if a port is too high": {"defaults: {port: 65536}", []string{"/defaults/port", "maximum"}},
		"if a port is zero":     {"defaults: {port: 0}", []string{"/defaults/port"}},
		"if a port is text": {
			"defaults: {port: '6443'}",
			[]string{"/defaults/port", "got string, want integer"},
		},
		"if replicas are negative": {"controller: {replicas: -1}", []string{"/controller/replicas"}},
		"if nobody would work":     {"controller: {concurrency: 0}", []string{"/controller/concurrency"}},
		"if a level of logs does not exist": {
			"controller: {logLevel: loud}",
			[]string{"/controller/logLevel", "must be one of"},
		},
		"if a format of logs does not exist": {"controller: {logFormat: xml}", []string{"/controller/logFormat"}},
		"if a pool kind has no kind": {
			"controller: {poolKinds: [{apiVersion: ipam.example.com/v1}]}",
			[]string{"/controller/poolKinds/0", "kind"},
		},
		"if a pool kind is text": {
			"controller: {poolKinds: [ipam.example.com/v1/ExamplePool]}",
			[]string{"/controller/poolKinds/0"},
		},
		"if a scope is a slip": {
			"controller: {poolKinds: [{apiVersion: a/v1, kind: A, scope: Clustered}]}",
			[]string{"/controller/poolKinds/0/scope"},
		},
		"if the pull policy is a slip": {"image: {pullPolicy: always}", []string{"/image/pullPolicy"}},
		"if a switch is text": {
			"rbac: {create: 'yes'}",
			[]string{"/rbac/create", "got string, want boolean"},
		},
		"if a secret is only named": {"imagePullSecrets: [pull]", []string{"/imagePullSecrets/0"}},
		"if resources are flat":     {"resources: {memory: 64Mi}", []string{"/resources", "memory"}},
		"if a toleration's effect is wrong": {
			"tolerations: [{key: a, effect: Never}]",
			[]string{"/tolerations/0/effect"},
		},
		"if a label is a number": {"podLabels: {a: 1}", []string{"/podLabels/a"}},
		"if a further object has no kind": {
			"extraObjects: [{apiVersion: v1, metadata: {name: a}}]",
			[]string{"/extraObjects/0", "kind"},
		},
		"if a part of the name is too long": {"nameOverride: capi-vip-allocator2", []string{"/nameOverride"}},
		"if a scrape's time is no duration": {
			"metrics: {serviceMonitor: {scrapeTimeout: 10}}",
			[]string{"/metrics/serviceMonitor/scrapeTimeout"},
		},
		"if a threshold is no percentage": {
			"metrics: {prometheusRule: {thresholds: {fillingUp: 100}}}",
			[]string{"/metrics/prometheusRule/thresholds/fillingUp"},
		},
		"if an alert's text is to be changed": {
			"metrics: {prometheusRule: {overrides: {CAPIVIPPending: {summary: a}}}}",
			[]string{"CAPIVIPPending", "summary", "not allowed"},
		},
		"if a further rule has no expression": {
			"metrics: {prometheusRule: {extraRules: [{alert: A}]}}",
			[]string{"/metrics/prometheusRule/extraRules/0", "expr"},
		},
		"if a probe asks elsewhere": {
			"probes: {liveness: {httpGet: {path: /}}}",
			[]string{"/probes/liveness", "httpGet", "not allowed"},
		},
		"if a probe never ends": {
			"probes: {startup: {periodSeconds: 0}}",
			[]string{"/probes/startup/periodSeconds", "minimum"},
		},
		"if the environment is a map": {"extraEnv: {A: b}", []string{"/extraEnv", "got object, want array"}},
		"if a mount has no path": {
			"extraVolumeMounts: [{name: a}]",
			[]string{"/extraVolumeMounts/0", "mountPath"},
		},
		"if there is no API server": {
			"networkPolicy: {apiServerPorts: []}",
			[]string{"/networkPolicy/apiServerPorts"},
		},
		"if the API server's addresses are no peers": {
			"ui: {networkPolicy: {apiServer: [192.0.2.1]}}",
			[]string{"/ui/networkPolicy/apiServer/0", "got string, want object"},
		},
		"if the link is described": {"ui: {navLink: {enabled: true}}", []string{"/ui/navLink", "want boolean"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := helm.Render(test.values, helm.Name, helm.Namespace)
			require.Error(t, err)
			for _, want := range test.wants {
				require.ErrorContains(t, err, want)
			}
		})
	}
}

// TestFormats checks that the chart refuses malformed values in words: which value, what it is and what is accepted.
func TestFormats(t *testing.T) {
	const duration = "a duration such as 10s or 1m30s"
	tests := map[string]struct{ values, want string }{
		"if a duration has no unit": {
			"controller: {retryInterval: '10'}",
			`controller.retryInterval: "10" is refused, accepted is ` + duration,
		},
		"if a duration is in words": {
			"controller: {reconcilePeriod: ten seconds}",
			`controller.reconcilePeriod: "ten seconds" is refused, accepted is ` + duration,
		},
		"if a duration is in days": {
			"controller: {reconcilePeriod: 1d}",
			`controller.reconcilePeriod: "1d" is refused, accepted is ` + duration,
		},
		"if a timeout has no unit": {
			"controller: {probeTimeout: '1'}",
			`controller.probeTimeout: "1" is refused, accepted is ` + duration,
		},
		"if a duration is negative": {
			"controller: {reconcilePeriod: -1s}",
			`controller.reconcilePeriod: "-1s" is refused, accepted is ` + duration,
		},
		"if a duration is empty": {
			"controller: {leaderElection: {retryPeriod: ''}}",
			`controller.leaderElection.retryPeriod: "" is refused, accepted is ` + duration,
		},
		"if the scrape interval is bad": {
			"metrics: {serviceMonitor: {interval: 1.5 s}}",
			`metrics.serviceMonitor.interval: "1.5 s" is refused, ` +
				`accepted is a duration in whole numbers such as 30s or 1m`,
		},
		"if a scrape's time is bad": {
			"metrics: {serviceMonitor: {scrapeTimeout: 1.5s}}",
			`metrics.serviceMonitor.scrapeTimeout: "1.5s" is refused, ` +
				`accepted is a duration in whole numbers such as 10s, or nothing`,
		},
		"if an alert's time is bad": {
			"metrics: {prometheusRule: {overrides: {CAPIVIPPending: {for: soon}}}}",
			`metrics.prometheusRule.overrides.CAPIVIPPending.for: "soon" is refused, ` +
				`accepted is a duration in whole numbers such as 15m or 1d`,
		},
		"if the runbooks have no scheme": {
			"metrics: {prometheusRule: {runbookURL: wiki.example.com}}",
			`metrics.prometheusRule.runbookURL: "wiki.example.com" is refused, accepted is a URL`,
		},
		"if the dashboard's namespace is none": {
			"metrics: {dashboard: {namespace: A}}",
			`metrics.dashboard.namespace: "A" is refused, accepted is the name of one namespace, or nothing`,
		},
		"if the certificate is a path": {
			"metrics: {certificate: {secret: a/b}}",
			`metrics.certificate.secret: "a/b" is refused, accepted is the name of an object`,
		},
		"if a namespace is a list": {
			"controller: {namespace: 'a,b'}",
			`controller.namespace: "a,b" is refused, accepted is the name of one namespace, or nothing`,
		},
		"if a filter is no label value": {
			"controller: {watchFilter: a b}",
			`controller.watchFilter: "a b" is refused, accepted is the value of a label, of letters,`,
		},
		"if a pool kind has no version": {
			"controller: {poolKinds: [{apiVersion: a/v1, kind: A}, {apiVersion: " +
				"ipam.example.com, kind: ExamplePool}]}",
			`controller.poolKinds[1].apiVersion: "ipam.example.com" is refused, ` +
				`accepted is a group and a version such as ipam.example.com/v1`,
		},
		"if a pool kind is no kind": {
			"controller: {poolKinds: [{apiVersion: a/v1, kind: a.b}]}",
			`controller.poolKinds[0].kind: "a.b" is refused, accepted is a kind such as ExamplePool`,
		},
		"if a plural is in capitals": {
			"controller: {poolKinds: [{apiVersion: a/v1, kind: A, resource: As}]}",
			`controller.poolKinds[0].resource: "As" is refused, accepted is a kind's plural in lower case`,
		},
		"if a flag has no value": {
			"controller: {extraArgs: ['--v', '4']}",
			`controller.extraArgs[0]: "--v" is refused, accepted is a flag with its value, as in --name=value`,
		},
		"if the domain is in capitals": {
			"defaults: {baseDomain: Example.com}",
			`defaults.baseDomain: "Example.com" is refused, ` +
				`accepted is a DNS domain in lower case such as vip.example.com, or nothing`,
		},
		"if a DNS name names no Cluster": {
			"defaults: {dnsNames: {ingress: '*.{namespace}'}}",
			`defaults.dnsNames.ingress: "*.{namespace}" is refused, ` +
				`accepted is a DNS name in lower case with {cluster} in it`,
		},
		"if the repository has a scheme": {
			"image: {repository: 'https://ghcr.io/x'}",
			`image.repository: "https://ghcr.io/x" is refused, accepted is registry and name`,
		},
		"if the repository has a tag": {
			"image: {repository: 'ghcr.io/x:v1'}",
			`image.repository: "ghcr.io/x:v1" is refused, accepted is registry and name`,
		},
		"if a tag is a digest": {
			"image: {tag: 'sha256:ab'}",
			`image.tag: "sha256:ab" is refused, accepted is a tag such as v1.0.0, or nothing for that of the chart`,
		},
		"if a digest is cut short": {
			"image: {digest: 'sha256:ab'}",
			`image.digest: "sha256:ab" is refused, accepted is sha256: and 64 hexadecimal digits, or nothing`,
		},
		"if Rancher's registry has a scheme": {
			"global: {cattle: {systemDefaultRegistry: 'https://a.example.com'}}",
			`global.cattle.systemDefaultRegistry: "https://a.example.com" is refused, accepted is a registry`,
		},
		"if a name is in capitals": {
			"fullnameOverride: Vips",
			`fullnameOverride: "Vips" is refused, ` +
				`accepted is a name of lower-case letters, digits and hyphens, or nothing`,
		},
		"if a part of a name has a dot": {
			"nameOverride: a.b",
			`nameOverride: "a.b" is refused, ` +
				`accepted is a name of lower-case letters, digits and hyphens, or nothing`,
		},
		"if the service account is a user": {
			"serviceAccount: {name: 'system:a'}",
			`serviceAccount.name: "system:a" is refused, accepted is the name of an object`,
		},
		"if the priority is a number": {
			"priorityClassName: '-1'",
			`priorityClassName: "-1" is refused, accepted is the name of an object`,
		},
		"if the clients' CAs are a path": {
			"runtimeExtension: {enabled: true, clientCAConfigMap: a/b}",
			`runtimeExtension.clientCAConfigMap: "a/b" is refused, accepted is the name of an object`,
		},
		"if a variable is a path": {
			"keep: {mode: Keep, variables: [a, b.c]}",
			`keep.variables[1]: "b.c" is refused, accepted is the name of a variable, without a path into it`,
		},
	}
	covered := map[string]bool{}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := helm.Render(test.values, helm.Name, helm.Namespace)
			require.ErrorContains(t, err, test.want)
		})
		where, _, _ := strings.Cut(test.want, ":")
		where = regexp.MustCompile(`\[\d+\]`).ReplaceAllString(where, ".*")
		stars := strings.NewReplacer("overrides.CAPIVIPPending", "overrides.*", "dnsNames.ingress", "dnsNames.*")
		where = stars.Replace(where)
		covered[where] = true
	}
	t.Run("if a value has a format, should have a test that sees it refused", func(t *testing.T) {
		content, err := os.ReadFile(filepath.Join(helm.ChartDir(), "files", "formats.yaml"))
		require.NoError(t, err)
		var formats []struct {
			Accepts, Pattern string
			Values           []string
		}
		require.NoError(t, yaml.UnmarshalStrict(content, &formats))
		for _, format := range formats {
			require.NotEmpty(t, format.Accepts)
			for _, value := range format.Values {
				same := strings.Contains(value, "leaderElection") // one format, one test for all of them
				require.True(t, same || covered[value], value)
			}
		}
	})
	t.Run("if the schema refuses something, should not answer with an expression", func(t *testing.T) {
		schema, err := os.ReadFile(filepath.Join(helm.ChartDir(), "values.schema.json"))
		require.NoError(t, err)
		require.NotContains(t, string(schema), `"pattern":`, "put it into files/formats.yaml, with words")
	})
	t.Run("if a value is taken away, should say that it is needed, or do without", func(t *testing.T) {
		_, err := helm.Render("controller: {retryInterval: null}", helm.Name, helm.Namespace)
		require.ErrorContains(t, err, `controller.retryInterval: "" is refused, accepted is `+duration)
		render(t, "controller: {namespace: null}\npriorityClassName: null")
	})
}

func TestSchemaAccepts(t *testing.T) {
	tests := map[string]string{
		"if a duration has several units": "controller: {reconcilePeriod: 1h2m3.5s, retryInterval: 500ms}",
		"if Rancher adds global values":   "global: {cattle: {systemDefaultRegistry: '', clusterId: local}}",
		"if resources are numbers":        "resources: {limits: {cpu: 1, memory: 1Gi}}",
		"if the registry has a port":      "image: {repository: 'localhost:5000/a/b_c'}",
		"if everything empty is empty": "controller: {namespace: '', watchFilter: ''}\n" +
			"image: {tag: '', digest: ''}\nfullnameOverride: ''",
		"if no replica is wanted for now": "controller: {replicas: 0}",
		"if a selector of peers is given": "networkPolicy: " +
			"{enabled: true, metricsFrom: [{ipBlock: {cidr: 10.0.0.0/8}}]}",
		"if a dashboard gets a folder": "metrics: {dashboard: {enabled: true, annotations: {grafana_folder: CAPI}}}",
		"if spreading is taken to be hard": "topologySpreadConstraints: " +
			"[{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule}]",
	}
	for name, values := range tests {
		t.Run(name, func(t *testing.T) { render(t, values) })
	}
}
