package live

import (
	"io"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/gorizond/capi-vip-allocator/internal/options"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// configured is a Deployment of the operator with its config file mounted in dir, as the chart does it, and the
// ConfigMap.
func configured(dir, file string, args ...string) (*appsv1.Deployment, *corev1.ConfigMap) {
	d := deploymentOf("example.com/operator:v1")
	c := &d.Spec.Template.Spec.Containers[1]
	c.Args = append([]string{"--config=" + filepath.Join(dir, "config.yaml")}, args...)
	c.Env = []corev1.EnvVar{{
		Name:      "POD_NAMESPACE",
		ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.namespace"}},
	}}
	c.VolumeMounts = []corev1.VolumeMount{{Name: "config", MountPath: dir}}
	d.Spec.Template.Spec.Volumes = []corev1.Volume{{Name: "config", VolumeSource: corev1.VolumeSource{
		ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "options"}},
	}}}
	return d, &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: d.Namespace, Name: "options"},
		Data:       map[string]string{"config.yaml": file},
	}
}

// public returns the exported fields of options.
func public(o *options.Options) map[string]any {
	fields := map[string]any{}
	value := reflect.ValueOf(o).Elem()
	for i := range value.NumField() {
		if field := value.Type().Field(i); field.IsExported() {
			fields[field.Name] = value.Field(i).Interface()
		}
	}
	return fields
}

// TestOptionsAsTheOperator: plugin and operator read the same options from the same arguments and file.
func TestOptionsAsTheOperator(t *testing.T) {
	for name, test := range map[string]struct {
		args    []string
		file    string
		refused bool
	}{
		"if nothing is set, should be the defaults": {},
		"if the port is quoted, should take it":     {file: "defaultPort: \"7443\"\n"},
		"if a domain is a number, should take it":   {file: "baseDomain: 1234\n"},
		"if names are kept, should know them": {
			file: "baseDomain: clusters.example.com\ndnsNames: {control-plane: \"k8s.{cluster}.{baseDomain}\"}\n",
		},
		"if names are given by flags, should know them": {
			args: []string{"--base-domain=example.com", "--dns-names=ingress=*.{cluster}.{baseDomain}"},
		},
		"if there are other pools, should know their kinds": {
			file: "poolKinds: [{apiVersion: ipam.example.com/v1, kind: ExamplePool}]\n",
		},
		"if flags and file differ, should go by the flags": {
			args: []string{"--default-port=8443", "--pool-kinds=ipam.example.com/v2/ExamplePool", "--base-domain="},
			file: "defaultPort: 7443\nbaseDomain: a.example\n" +
				"poolKinds: [{apiVersion: ipam.example.com/v1, kind: ExamplePool}]\n",
		},
		"if flags restrict it, should know": {
			args: []string{"--watch-filter=blue", "--namespace=team", "--leader-elect=false"},
		},
		"if the Lease has a namespace, should look there": {args: []string{"--leader-election-id=leases/mine"}},
		"if flags have other names, should know them": {
			args: []string{
				"--sync-period=10m", "--machine-concurrency=3", "--cluster-concurrency", "4", "-v=4",
				"--metrics-bind-addr=:8080",
			},
			file: "reconcilePeriod: 1m\nretryInterval: 20s\nruntimeExtension: \"true\"\n",
		},
		"if a flag is refused, should say so":              {args: []string{"--default-port=x"}, refused: true},
		"if a value of the file is refused, should say so": {file: "defaultPort: [1]\n", refused: true},
		"if a key of the file is unknown, should say so":   {file: "port: 1\ndefaultPort: 7443\n", refused: true},
		"if the file is no YAML, should say so":            {file: "defaultPort: [", refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(test.file), 0o600))
			d, configMap := configured(dir, test.file, test.args...)

			want, err := options.Parse(d.Spec.Template.Spec.Containers[1].Args, io.Discard)
			require.NoError(t, err)
			completed := want.Complete(func(key string) (string, bool) { return d.Namespace, key == "POD_NAMESPACE" })
			accepted := completed == nil && want.Validate() == nil
			require.Equal(t, test.refused, !accepted)

			got, known := (&Reader{core: fake.NewClientset(configMap)}).optionsOf(t.Context(), d)
			assert.Equal(t, accepted, known)
			assert.Equal(t, public(want), public(got))
		})
	}
}

// TestOptionsOfDeployment: the plugin finds the operator's options wherever a Deployment sets them.
func TestOptionsOfDeployment(t *testing.T) {
	const file = "defaultPort: \"7443\"\nbaseDomain: example.com\n"
	volume := func(d *appsv1.Deployment) *corev1.ConfigMapVolumeSource {
		return d.Spec.Template.Spec.Volumes[0].ConfigMap
	}
	for name, test := range map[string]struct {
		change  func(*appsv1.Deployment, *corev1.Container, *corev1.ConfigMap)
		unknown bool
		port    int32
	}{
		"if the file is mounted with its directory, should find it": {
			change: func(*appsv1.Deployment, *corev1.Container, *corev1.ConfigMap) {}, port: 7443,
		},
		"if the file is mounted alone, should find it": {
			change: func(_ *appsv1.Deployment, c *corev1.Container, _ *corev1.ConfigMap) {
				c.VolumeMounts[0].MountPath, c.VolumeMounts[0].SubPath = "/etc/vip/config.yaml", "config.yaml"
			}, port: 7443,
		},
		"if the key is called otherwise, should find it": {
			change: func(d *appsv1.Deployment, _ *corev1.Container, m *corev1.ConfigMap) {
				m.Data = nil
				m.BinaryData = map[string][]byte{"key": []byte(file)}
				volume(d).Items = []corev1.KeyToPath{{Key: "key", Path: "config.yaml"}}
			}, port: 7443,
		},
		"if the ConfigMap is empty, should say that not all is known": {
			change:  func(_ *appsv1.Deployment, _ *corev1.Container, m *corev1.ConfigMap) { m.Data = nil },
			unknown: true, port: 6443,
		},
		"if the volume gives other files, should say so": {
			change: func(d *appsv1.Deployment, _ *corev1.Container, _ *corev1.ConfigMap) {
				volume(d).Items = []corev1.KeyToPath{{Key: "config.yaml", Path: "other.yaml"}}
			}, unknown: true, port: 6443,
		},
		"if nothing is mounted there, should say so": {
			change:  func(_ *appsv1.Deployment, c *corev1.Container, _ *corev1.ConfigMap) { c.VolumeMounts = nil },
			unknown: true, port: 6443,
		},
		"if there is no container of the operator, should say so": {
			change:  func(_ *appsv1.Deployment, c *corev1.Container, _ *corev1.ConfigMap) { c.Name = "other" },
			unknown: true, port: 6443,
		},
		"if a newer operator has more flags, should read the others and say so": {
			change: func(_ *appsv1.Deployment, c *corev1.Container, _ *corev1.ConfigMap) {
				c.Args = append([]string{"--of-tomorrow=1"}, c.Args...)
			}, unknown: true, port: 7443,
		},
		"if the command has flags, should read them": {
			change: func(_ *appsv1.Deployment, c *corev1.Container, _ *corev1.ConfigMap) {
				c.Command = []string{"/manager", "--default-port=8443"}
			}, port: 8443,
		},
		"if arguments refer to the environment, should look there": {
			change: func(_ *appsv1.Deployment, c *corev1.Container, _ *corev1.ConfigMap) {
				c.Env = append(c.Env, corev1.EnvVar{Name: "PORT", Value: "1"},
					corev1.EnvVar{Name: "PORT", Value: "8443"})
				c.Args = append(c.Args, "--default-port=$(PORT)")
			}, port: 8443,
		},
		"if the environment is not known, should say so": {
			change: func(_ *appsv1.Deployment, c *corev1.Container, _ *corev1.ConfigMap) {
				c.Args = append(c.Args, "--default-port=$(PORT)", "--watch-filter=$$(PORT)")
			}, unknown: true, port: 6443,
		},
	} {
		t.Run(name, func(t *testing.T) {
			d, configMap := configured("/etc/vip", file)
			test.change(d, &d.Spec.Template.Spec.Containers[1], configMap)
			got, known := (&Reader{core: fake.NewClientset(configMap)}).optionsOf(t.Context(), d)
			assert.Equal(t, !test.unknown, known)
			assert.Equal(t, test.port, got.DefaultPort)
		})
	}
}

// TestSettingsOfOperator: the plugin's decisions rest on the operator's options.
func TestSettingsOfOperator(t *testing.T) {
	d, configMap := configured("/etc/vip", "defaultPort: \"7443\"\nbaseDomain: example.com\n", "--watch-filter=blue",
		"--namespace=team")
	d.Labels["cluster.x-k8s.io/provider"] = "addon-capi-vip-allocator"
	operators, _ := (&Reader{core: fake.NewClientset(d, configMap), now: time.Now}).findOperators(t.Context())
	require.Len(t, operators, 1)
	assert.True(t, operators[0].SettingsKnown)
	assert.Equal(t, "team", operators[0].WatchesNamespace)
	assert.Equal(t, vip.Settings{
		DefaultPort: 7443, WatchFilter: "blue",
		DNS: vip.DNSSettings{BaseDomain: "example.com", Names: options.DefaultDNSNames()},
	}, operators[0].Settings)
}
