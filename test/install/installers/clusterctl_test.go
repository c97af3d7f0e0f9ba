package installers

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gorizond/capi-vip-allocator/test/env/plane"
	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/test/install/internal/programs"
)

// certManager stands in for cert-manager, which clusterctl looks for by its namespace, an Issuer and a Certificate.
const certManager = `
{apiVersion: v1, kind: Namespace, metadata: {name: cert-manager}}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: issuers.cert-manager.io}
spec:
  group: cert-manager.io
  scope: Namespaced
  names: {kind: Issuer, plural: issuers}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: certificates.cert-manager.io}
spec:
  group: cert-manager.io
  scope: Namespaced
  names: {kind: Certificate, plural: certificates}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`

// coreComponents stand in for those of Cluster API core, which runs as a process of the plane.
const coreComponents = `
apiVersion: v1
kind: Namespace
metadata: {name: capi-stand-in}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: core-runs-as-a-process, namespace: capi-stand-in}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: capi-controller-manager, namespace: capi-stand-in}
spec:
  replicas: 1
  selector: {matchLabels: {control-plane: controller-manager}}
  template:
    metadata: {labels: {control-plane: controller-manager}}
    spec: {containers: [{name: manager, image: registry.example.com/stand-in:none}]}
`

const coreMetadata = `
apiVersion: clusterctl.cluster.x-k8s.io/v1alpha3
kind: Metadata
releaseSeries: [{major: 1, minor: 14, contract: v1beta2}]
`

// repository lays out releases as a local repository for clusterctl, and returns its configuration.
func repository(t *testing.T, versions ...string) string {
	t.Helper()
	dir := t.TempDir()
	put := func(path, content string) {
		path = filepath.Join(dir, path)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	for _, version := range versions {
		for _, file := range []string{"addon-components.yaml", "metadata.yaml"} {
			put("addon-capi-vip-allocator/"+version+"/"+file, read(t, dist(version, file)))
		}
	}
	put("cluster-api/v1.14.2/core-components.yaml", coreComponents)
	put("cluster-api/v1.14.2/metadata.yaml", coreMetadata)
	put("clusterctl.yaml", fmt.Sprintf(`
cert-manager: {externallyProvisioned: "true"}
providers:
- {name: capi-vip-allocator, type: AddonProvider, url: "%[1]s/addon-capi-vip-allocator/%[2]s/addon-components.yaml"}
- {name: cluster-api, type: CoreProvider, url: "%[1]s/cluster-api/v1.14.2/core-components.yaml"}
`, dir, versions[len(versions)-1]))
	return filepath.Join(dir, "clusterctl.yaml")
}

func TestClusterctl(t *testing.T) {
	const namespace = "capi-vip-allocator-system"
	clusterctl := newInstaller(t, programs.Clusterctl)
	_, err := plane.ApplyYAML(t.Context(), suite.plane.Config(), certManager)
	require.NoError(t, err)

	t.Run("if initialized, should install the release and work", func(t *testing.T) {
		output := clusterctl.run(t, "init", "--config", repository(t, first), "--core", "cluster-api:v1.14.2",
			"--bootstrap=-", "--control-plane=-", "--wait-providers")
		require.Contains(t, output, "Skipping installing cert-manager as it is already installed")
		// clusterctl creates and deletes a namespace to test cert-manager, and waits for ever if one is still being
		// deleted.
		removeNamespace(t, "cert-manager-test")
		output = clusterctl.run(t, "init", "--config", repository(t, first), "--addon", "capi-vip-allocator",
			"--wait-providers")
		t.Log(strings.TrimSpace(output))
		require.Contains(t, left(t, namespace), "Provider/addon-capi-vip-allocator")
		pod := runPod(t, first, namespace)
		works(t, "clusterctl-one", 67)
		endPod(t, pod)
	})
	t.Run("if upgraded, should be the new release, with its roles, and nothing of the old one", func(t *testing.T) {
		plan := clusterctl.run(t, "upgrade", "plan", "--config", repository(t, first, second))
		require.Regexp(t, `addon-capi-vip-allocator\s.*\s`+first+`\s+`+second, plan)
		output := clusterctl.run(t, "upgrade", "apply", "--config", repository(t, first, second), "--addon",
			namespace+"/capi-vip-allocator:"+second, "--wait-providers")
		t.Log(strings.TrimSpace(output))
		isUpgraded(t, namespace, leftByDesign, "Provider/addon-capi-vip-allocator")
		pod := runPod(t, second, namespace)
		works(t, "clusterctl-two", 68)
		endPod(t, pod)
	})
	t.Run("if deleted, should leave the namespace and the Lease only", func(t *testing.T) {
		clusterctl.run(t, "delete", "--config", repository(t, second), "--addon", "capi-vip-allocator")
		require.Equal(t, []string{leftByDesign, "Namespace/capi-vip-allocator-system"}, left(t, namespace))
		removeNamespace(t, namespace)
		require.Empty(t, left(t, namespace))
	})
}
