package chart

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/test/install/internal/helm"
)

func TestSchemaRefuses(t *testing.T) {
	tests := map[string]struct {
		values string
		// wants are parts of the message: where, and what is wrong.
		wants []string
	}{
		"if a top-level name is a slip":       {"controler: {replicas: 1}", []string{"controler", "not allowed"}},
		"if a nested name is a slip":          {"controller: {reconcilePeriode: 30s}", []string{"/controller", "reconcilePeriode", "not allowed"}},
		"if a duration has no unit":           {"controller: {retryInterval: '10'}", []string{"/controller/retryInterval", "does not match pattern"}},
		"if a duration is a number":           {"controller: {retryInterval: 10}", []string{"/controller/retryInterval", "got number, want string"}},
		"if a duration is in words":           {"controller: {reconcilePeriod: ten seconds}", []string{"/controller/reconcilePeriod"}},
		"if a duration is in days":            {"controller: {reconcilePeriod: 1d}", []string{"/controller/reconcilePeriod"}},
		"if a duration is negative":           {"controller: {reconcilePeriod: -1s}", []string{"/controller/reconcilePeriod"}},
		"if a lease's duration is bad":        {"controller: {leaderElection: {leaseDuration: 15}}", []string{"/controller/leaderElection/leaseDuration"}},
		"if the scrape interval is bad":       {"metrics: {serviceMonitor: {interval: 1.5 s}}", []string{"/metrics/serviceMonitor/interval"}},
		"if a port is too high":               {"defaults: {port: 65536}", []string{"/defaults/port", "maximum"}},
		"if a port is zero":                   {"defaults: {port: 0}", []string{"/defaults/port"}},
		"if a port is text":                   {"defaults: {port: '6443'}", []string{"/defaults/port", "got string, want integer"}},
		"if the domain is in capitals":        {"defaults: {baseDomain: Example.com}", []string{"/defaults/baseDomain"}},
		"if replicas are negative":            {"controller: {replicas: -1}", []string{"/controller/replicas"}},
		"if nobody would work":                {"controller: {concurrency: 0}", []string{"/controller/concurrency"}},
		"if a level of logs does not exist":   {"controller: {logLevel: loud}", []string{"/controller/logLevel", "must be one of"}},
		"if a format of logs does not exist":  {"controller: {logFormat: xml}", []string{"/controller/logFormat"}},
		"if a filter is no label value":       {"controller: {watchFilter: a b}", []string{"/controller/watchFilter"}},
		"if a pool kind has no version":       {"controller: {poolKinds: [{apiVersion: ipam.example.com, kind: ExamplePool}]}", []string{"/controller/poolKinds/0/apiVersion"}},
		"if a pool kind has no kind":          {"controller: {poolKinds: [{apiVersion: ipam.example.com/v1}]}", []string{"/controller/poolKinds/0", "kind"}},
		"if a pool kind is text":              {"controller: {poolKinds: [ipam.example.com/v1/ExamplePool]}", []string{"/controller/poolKinds/0"}},
		"if a scope is a slip":                {"controller: {poolKinds: [{apiVersion: a/v1, kind: A, scope: Clustered}]}", []string{"/controller/poolKinds/0/scope"}},
		"if a namespace is a list":            {"controller: {namespace: 'a,b'}", []string{"/controller/namespace"}},
		"if a flag has no value":              {"controller: {extraArgs: ['--v', '4']}", []string{"/controller/extraArgs/0"}},
		"if the repository has a scheme":      {"image: {repository: 'https://ghcr.io/x y'}", []string{"/image/repository"}},
		"if a tag is a digest":                {"image: {tag: 'sha256:ab'}", []string{"/image/tag"}},
		"if a digest is cut short":            {"image: {digest: 'sha256:ab'}", []string{"/image/digest"}},
		"if the pull policy is a slip":        {"image: {pullPolicy: always}", []string{"/image/pullPolicy"}},
		"if a switch is text":                 {"rbac: {create: 'yes'}", []string{"/rbac/create", "got string, want boolean"}},
		"if a secret is only named":           {"imagePullSecrets: [pull]", []string{"/imagePullSecrets/0"}},
		"if resources are flat":               {"resources: {memory: 64Mi}", []string{"/resources", "memory"}},
		"if a toleration's effect is wrong":   {"tolerations: [{key: a, effect: Never}]", []string{"/tolerations/0/effect"}},
		"if a label is a number":              {"podLabels: {a: 1}", []string{"/podLabels/a"}},
		"if Rancher's registry has a scheme":  {"global: {cattle: {systemDefaultRegistry: 'https://x y'}}", []string{"/global/cattle/systemDefaultRegistry"}},
		"if a further object has no kind":     {"extraObjects: [{apiVersion: v1, metadata: {name: a}}]", []string{"/extraObjects/0", "kind"}},
		"if a part of the name is too long":   {"nameOverride: capi-vip-allocator2", []string{"/nameOverride"}},
		"if a scrape's time is no duration":   {"metrics: {serviceMonitor: {scrapeTimeout: 10}}", []string{"/metrics/serviceMonitor/scrapeTimeout"}},
		"if a threshold is no percentage":     {"metrics: {prometheusRule: {thresholds: {fillingUp: 100}}}", []string{"/metrics/prometheusRule/thresholds/fillingUp"}},
		"if an alert's text is to be changed": {"metrics: {prometheusRule: {overrides: {CAPIVIPPending: {summary: a}}}}", []string{"CAPIVIPPending", "summary", "not allowed"}},
		"if a further rule has no expression": {"metrics: {prometheusRule: {extraRules: [{alert: A}]}}", []string{"/metrics/prometheusRule/extraRules/0", "expr"}},
		"if a probe asks elsewhere":           {"probes: {liveness: {httpGet: {path: /}}}", []string{"/probes/liveness", "httpGet", "not allowed"}},
		"if a probe never ends":               {"probes: {startup: {periodSeconds: 0}}", []string{"/probes/startup/periodSeconds", "minimum"}},
		"if the environment is a map":         {"extraEnv: {A: b}", []string{"/extraEnv", "got object, want array"}},
		"if a mount has no path":              {"extraVolumeMounts: [{name: a}]", []string{"/extraVolumeMounts/0", "mountPath"}},
		"if there is no API server":           {"networkPolicy: {apiServerPorts: []}", []string{"/networkPolicy/apiServerPorts"}},
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

func TestSchemaAccepts(t *testing.T) {
	tests := map[string]string{
		"if a duration has several units":  "controller: {reconcilePeriod: 1h2m3.5s, retryInterval: 500ms}",
		"if Rancher adds global values":    "global: {cattle: {systemDefaultRegistry: '', clusterId: local}}",
		"if resources are numbers":         "resources: {limits: {cpu: 1, memory: 1Gi}}",
		"if the registry has a port":       "image: {repository: 'localhost:5000/a/b_c'}",
		"if everything empty is empty":     "controller: {namespace: '', watchFilter: ''}\nimage: {tag: '', digest: ''}\nfullnameOverride: ''",
		"if no replica is wanted for now":  "controller: {replicas: 0}",
		"if a selector of peers is given":  "networkPolicy: {enabled: true, metricsFrom: [{ipBlock: {cidr: 10.0.0.0/8}}]}",
		"if a dashboard gets a folder":     "metrics: {dashboard: {enabled: true, annotations: {grafana_folder: CAPI}}}",
		"if spreading is taken to be hard": "topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule}]",
	}
	for name, values := range tests {
		t.Run(name, func(t *testing.T) { render(t, values) })
	}
}
