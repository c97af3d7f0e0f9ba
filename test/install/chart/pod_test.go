package chart

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
)

func TestPod(t *testing.T) {
	objects := render(t, "")
	pod := deployment(t, objects).Spec.Template.Spec
	container := manager(t, objects)
	t.Run("if rendered, should satisfy the level restricted", func(t *testing.T) {
		require.Equal(t, &corev1.PodSecurityContext{
			RunAsNonRoot: ptr.To(true), RunAsUser: ptr.To(int64(65532)), RunAsGroup: ptr.To(int64(65532)),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		}, pod.SecurityContext)
		require.Equal(t, &corev1.SecurityContext{
			AllowPrivilegeEscalation: ptr.To(false), Privileged: ptr.To(false), ReadOnlyRootFilesystem: ptr.To(true),
			Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		}, container.SecurityContext)
	})
	t.Run("if asked to end, should have the time that it takes", func(t *testing.T) {
		require.Equal(t, int64(30), *pod.TerminationGracePeriodSeconds)
	})
	t.Run("if probed, should be asked where it answers", func(t *testing.T) {
		ports := map[string]int32{}
		for _, port := range container.Ports {
			ports[port.Name] = port.ContainerPort
		}
		require.Equal(t, map[string]int32{"health": 9440, "metrics": 8443}, ports)
		require.Equal(t, "/healthz", container.LivenessProbe.HTTPGet.Path)
		require.Equal(t, "/readyz", container.ReadinessProbe.HTTPGet.Path)
		require.Equal(t, "/healthz", container.StartupProbe.HTTPGet.Path)
		for _, probe := range []*corev1.Probe{
			container.LivenessProbe, container.ReadinessProbe, container.StartupProbe,
		} {
			require.Equal(t, "health", probe.HTTPGet.Port.StrVal)
		}
	})
	t.Run("if the namespace is rewritten, should know it all the same", func(t *testing.T) {
		require.Len(t, container.Env, 1)
		require.Equal(t, "POD_NAMESPACE", container.Env[0].Name)
		require.Equal(t, "metadata.namespace", container.Env[0].ValueFrom.FieldRef.FieldPath)
		require.NotContains(t, strings.Join(container.Args, " "), "capi-vip-allocator-system")
	})
	t.Run("if resources are not set, should ask for little and have no limit of CPU", func(t *testing.T) {
		require.Equal(t, "10m", container.Resources.Requests.Cpu().String())
		require.Equal(t, "64Mi", container.Resources.Requests.Memory().String())
		require.Equal(t, "512Mi", container.Resources.Limits.Memory().String())
		require.True(t, container.Resources.Limits.Cpu().IsZero())
	})
	t.Run("if two replicas run, should spread and roll without a gap", func(t *testing.T) {
		d := deployment(t, objects)
		require.Equal(t, int32(2), *d.Spec.Replicas)
		require.Equal(t, 0, d.Spec.Strategy.RollingUpdate.MaxUnavailable.IntValue())
		require.Equal(t, corev1.ScheduleAnyway, pod.TopologySpreadConstraints[0].WhenUnsatisfiable)
		require.Equal(t, d.Spec.Selector, pod.TopologySpreadConstraints[0].LabelSelector)
	})
	t.Run("if placement is given, should be used", func(t *testing.T) {
		pod := deployment(t, render(t, `
nodeSelector: {zone: a}
affinity:
  nodeAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Exists}]}]
tolerations: [{key: x, operator: Exists}]
topologySpreadConstraints: [{maxSkew: 2, topologyKey: zone, whenUnsatisfiable: DoNotSchedule}]
priorityClassName: system-cluster-critical
imagePullSecrets: [{name: pull}]
podAnnotations: {a: b}
podLabels: {c: d}
controller: {replicas: 3}
`)).Spec
		require.Equal(t, int32(3), *pod.Replicas)
		require.Equal(t, "a", pod.Template.Spec.NodeSelector["zone"])
		require.NotNil(t, pod.Template.Spec.Affinity.NodeAffinity)
		require.Equal(t, "x", pod.Template.Spec.Tolerations[0].Key)
		require.Equal(t, int32(2), pod.Template.Spec.TopologySpreadConstraints[0].MaxSkew)
		require.Equal(t, "system-cluster-critical", pod.Template.Spec.PriorityClassName)
		require.Equal(t, "pull", pod.Template.Spec.ImagePullSecrets[0].Name)
		require.Equal(t, "b", pod.Template.Annotations["a"])
		require.Equal(t, "d", pod.Template.Labels["c"])
	})
	t.Run("if probes are slower, should ask as given and where the program answers", func(t *testing.T) {
		slow := manager(t, render(t, "probes: {startup: {failureThreshold: 300}, "+
			"liveness: {initialDelaySeconds: 7}, readiness: {successThreshold: 2}}"))
		live, ready := slow.LivenessProbe, slow.ReadinessProbe
		require.Equal(t, []int32{1, 300}, []int32{slow.StartupProbe.PeriodSeconds, slow.StartupProbe.FailureThreshold})
		require.Equal(t, []int32{7, 10, 5}, []int32{live.InitialDelaySeconds, live.PeriodSeconds, live.TimeoutSeconds})
		require.Equal(t, []int32{2, 5, 5}, []int32{ready.SuccessThreshold, ready.PeriodSeconds, ready.TimeoutSeconds})
		require.Equal(t, container.LivenessProbe.ProbeHandler, slow.LivenessProbe.ProbeHandler)
	})
	t.Run("if the platform chooses the user, should name none and stay restricted otherwise", func(t *testing.T) {
		objects := render(t, "podSecurityContext: {runAsUser: null, runAsGroup: null, fsGroup: 7}\n"+
			"securityContext: {seLinuxOptions: {level: 's0'}}")
		require.Equal(t, &corev1.PodSecurityContext{
			RunAsNonRoot: ptr.To(true), FSGroup: ptr.To(int64(7)),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		}, deployment(t, objects).Spec.Template.Spec.SecurityContext)
		security := manager(t, objects).SecurityContext
		require.Equal(t, "s0", security.SELinuxOptions.Level)
		require.Equal(t, corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}, *security.Capabilities)
	})
	t.Run("if the pod needs more, should have it beside its own", func(t *testing.T) {
		objects := render(t, `
extraEnv: [{name: HTTPS_PROXY, value: 'http://proxy:3128'},
  {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]
extraVolumes: [{name: ca, configMap: {name: ca}}]
extraVolumeMounts: [{name: ca, mountPath: /etc/ssl/certs, readOnly: true}]
revisionHistoryLimit: 2
`)
		d, more := deployment(t, objects), manager(t, objects)
		require.Equal(t, int32(2), *d.Spec.RevisionHistoryLimit)
		require.Equal(t, container.Env, more.Env[:1])
		require.Equal(t, []string{"HTTPS_PROXY", "NODE"}, []string{more.Env[1].Name, more.Env[2].Name})
		require.Equal(t, pod.Volumes, d.Spec.Template.Spec.Volumes[:len(pod.Volumes)])
		require.Equal(t, "ca", d.Spec.Template.Spec.Volumes[len(pod.Volumes)].ConfigMap.Name)
		require.Equal(t, "/etc/ssl/certs", more.VolumeMounts[len(container.VolumeMounts)].MountPath)
	})
}

func TestImage(t *testing.T) {
	digest := "sha256:" + strings.Repeat("ab", 32)
	tests := map[string]struct{ values, want string }{
		"if nothing is set, should be that of the release": {"", "ghcr.io/gorizond/capi-vip-allocator:v1.0.0"},
		"if repository and tag are given, should be those": {
			"image: {repository: 'registry.local:5000/vip', tag: test}", "registry.local:5000/vip:test",
		},
		"if Rancher has a registry, should come from there": {
			"global: {cattle: {systemDefaultRegistry: registry.example.com}}",
			"registry.example.com/gorizond/capi-vip-allocator:v1.0.0",
		},
		"if Rancher's registry has a port and a path, should keep both": {
			"global: {cattle: {systemDefaultRegistry: 'registry.example.com:5000/mirror/'}}\nimage: {digest: '" +
				digest + "'}",
			"registry.example.com:5000/mirror/gorizond/capi-vip-allocator@" + digest,
		},
		"if the repository names no registry, should come from Rancher's": {
			"global: {cattle: {systemDefaultRegistry: registry.example.com}}\nimage: " +
				"{repository: vips/allocator, tag: a}",
			"registry.example.com/vips/allocator:a",
		},
		"if the repository is elsewhere on purpose, should stay there": {
			"global: {cattle: {systemDefaultRegistry: registry.example.com}}\nimage: " +
				"{repository: 'localhost:5000/vip', tag: a}",
			"localhost:5000/vip:a",
		},
		"if Rancher adds other values only, should be that of the release": {
			"global: {cattle: {clusterId: local}}",
			"ghcr.io/gorizond/capi-vip-allocator:v1.0.0",
		},
		"if a digest is given, should win over the tag": {
			"image: {tag: test, digest: '" + digest + "'}", "ghcr.io/gorizond/capi-vip-allocator@" + digest,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, test.want, manager(t, render(t, test.values)).Image)
		})
	}
}

func TestArgs(t *testing.T) {
	usual := []string{
		"--config=/etc/capi-vip-allocator/config.yaml", "--leader-elect=true", "--health-addr=:9440",
		"--diagnostics-address=:8443",
	}
	tests := map[string]struct {
		values string
		want   []string
	}{
		"if nothing is set, should leave all defaults to the program": {"", usual},
		"if metrics are off, should switch the server off": {
			"metrics: {enabled: false}", append(usual[:3:3], "--diagnostics-address=0"),
		},
		"if metrics are open, should say so": {
			"metrics: {insecure: true}", append(usual[:4:4], "--insecure-diagnostics=true"),
		},
		"if the controller is tuned, should become flags": {
			`controller: {concurrency: 3, namespace: team, watchFilter: blue, logLevel: debug, logFormat: text,
  extraArgs: ["--kube-api-qps=5"],
  leaderElection: {leaseDuration: 60s, renewDeadline: 40s, retryPeriod: 5s}}`,
			append(usual[:4:4], "--leader-elect-lease-duration=60s", "--leader-elect-renew-deadline=40s",
				"--leader-elect-retry-period=5s",
				"--max-concurrent-reconciles=3", "--namespace=team", "--watch-filter=blue", "--log-level=debug",
				"--log-format=text", "--kube-api-qps=5"),
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, test.want, manager(t, render(t, test.values)).Args)
		})
	}
}

func TestConfig(t *testing.T) {
	const values = "controller: {retryInterval: 5s, reconcilePeriod: 1m30s, probeTimeout: 2s}\n" +
		"defaults: {port: 8443, baseDomain: vip.example.com}"
	objects := render(t, values)
	t.Run("if values are set, should be in the config file where the program looks for it", func(t *testing.T) {
		config := get[corev1.ConfigMap](t, objects, "ConfigMap", "-config")
		require.YAMLEq(t, "{retryInterval: 5s, reconcilePeriod: 1m30s, probeTimeout: 2s, defaultPort: 8443, "+
			"baseDomain: vip.example.com}", config.Data["config.yaml"])
		pod := deployment(t, objects).Spec.Template.Spec
		require.Equal(t, config.Name, pod.Volumes[0].ConfigMap.Name)
		require.Equal(t, "/etc/capi-vip-allocator", manager(t, objects).VolumeMounts[0].MountPath)
	})
	t.Run("if the config changes, should roll the pods, and otherwise not", func(t *testing.T) {
		sum := func(values string) string {
			return deployment(t, render(t, values)).Spec.Template.Annotations["checksum/config"]
		}
		require.Equal(t, sum(""), sum("controller: {replicas: 5}"))
		for _, change := range []string{
			"controller: {retryInterval: 11s}", "controller: {reconcilePeriod: 31s}", "defaults: {port: 1}",
			"defaults: {baseDomain: a.b}",
		} {
			require.NotEqual(t, sum(""), sum(change), change)
		}
	})
}
