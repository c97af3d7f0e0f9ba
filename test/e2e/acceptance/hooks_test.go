package acceptance

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

const (
	// hooked and unhooked are the suffixes of the classes in the hook tests.
	hooked, unhooked = "-hooked", "-unhooked"
	registered       = "the runtime extension is registered with Cluster API"
)

// hooksPlane is a plane whose Cluster API calls runtime hooks.
func hooksPlane(t *testing.T) *env {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a real control plane")
	}
	p := startPlane(t, plane.Options{FeatureGates: map[string]bool{"RuntimeSDK": true}})
	t.Cleanup(func() { require.NoError(t, p.Stop()) })
	require.NoError(t, harness.GrantExtension(t.Context(), p))
	e := newEnv(t, p)
	t.Cleanup(e.Close)
	t.Cleanup(func() { require.Empty(t, e.guard.Breaches()) })
	return e
}

// hooksOperator starts an operator that serves hooks, as if it ran in a pod of its namespace.
func hooksOperator(t *testing.T, e *env, user string, args ...string) (*harness.Operator, string) {
	t.Helper()
	extension, url, err := harness.ExtensionArgs(t.Context())
	require.NoError(t, err)
	operator := startOperator(t, e.Plane, harness.OperatorOptions{
		User: user, Args: append(append(extension, "--reconcile-period=1s"), args...),
		Env: []string{"POD_NAMESPACE=" + harness.Namespace},
	})
	return operator, url
}

// deployed creates a Deployment as the installers do; its pods never run.
func deployed(t *testing.T, e *env) {
	t.Helper()
	_, err := plane.ApplyYAML(t.Context(), e.Plane.Config(), `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: capi-vip-allocator-controller-manager
  namespace: `+harness.Namespace+`
  labels: {cluster.x-k8s.io/provider: addon-capi-vip-allocator, control-plane: controller-manager}
spec:
  replicas: 2
  selector: {matchLabels: {a: b}}
  template:
    metadata: {labels: {a: b}}
    spec: {containers: [{name: manager, image: none}]}
`)
	require.NoError(t, err)
}

func undeployed(t *testing.T, e *env) {
	t.Helper()
	require.NoError(t, e.Core.AppsV1().Deployments(harness.Namespace).Delete(t.Context(),
		"capi-vip-allocator-controller-manager", metav1.DeleteOptions{}))
}

// classes creates the class that names the hooks, and one that does not.
func (s *scope) classes(settings map[string]string) {
	s.t.Helper()
	s.create(harness.HookedClass{
		NewClass: harness.NewClass{Namespace: s.name, Name: s.name + hooked}, Settings: settings,
	},
		harness.NewClass{Namespace: s.name, Name: s.name + unhooked})
}

// endpoint waits until the Cluster has the VIP of its control plane.
func (s *scope) endpoint(name string) *harness.Cluster {
	s.t.Helper()
	return s.sees(name, condition(controlPlane, names.ReasonIPAddressAssigned))
}

// infra returns the FakeInfraCluster of a Cluster, or nil.
func (s *scope) infra(cluster string) *unstructured.Unstructured {
	s.t.Helper()
	list, err := s.Dynamic.Resource(plane.InfraClusterResource()).Namespace(s.name).List(s.t.Context(),
		metav1.ListOptions{LabelSelector: "cluster.x-k8s.io/cluster-name=" + cluster})
	require.NoError(s.t, err)
	if len(list.Items) == 0 {
		return nil
	}
	return &list.Items[0]
}

// extensionConfig returns the ExtensionConfig, or nil.
func extensionConfig(t *testing.T, e *env) *unstructured.Unstructured {
	t.Helper()
	config, err := e.ExtensionConfigs().Get(t.Context(), names.ExtensionName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	require.NoError(t, err)
	return config
}

// discovered waits until Cluster API knows the handlers of the ExtensionConfig.
func discovered(t *testing.T, e *env) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, plane.Eventually(ctx, func(context.Context) error {
		config := extensionConfig(t, e)
		if config == nil {
			return errors.New("there is no ExtensionConfig")
		}
		if handlers, _, _ := unstructured.NestedSlice(config.Object, "status", "handlers"); len(handlers) != 3 {
			return fmt.Errorf("handlers of the ExtensionConfig: %v", config.Object["status"])
		}
		return nil
	}))
}

func withoutConfig(t *testing.T, e *env) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, plane.Eventually(ctx, func(context.Context) error {
		if extensionConfig(t, e) != nil {
			return errors.New("the ExtensionConfig is left")
		}
		return nil
	}))
}

func TestRuntimeHooks(t *testing.T) {
	e := hooksPlane(t)
	deployed(t, e)
	operator, url := hooksOperator(t, e, "capi-vip-allocator-1", "--leader-elect", "--leader-elect-lease-duration=4s",
		"--leader-elect-renew-deadline=2s", "--leader-elect-retry-period=500ms")
	waitServing(t, operator)
	discovered(t, e)

	t.Run("if the class names the hooks, "+
		"should make the InfraCluster with the VIP from its first moment", func(t *testing.T) {
		s := newScope(t, e, operator)
		s.classes(nil)
		s.pool(controlPlane, 1, 20, func(p *harness.NewPool) { p.Class = s.name + hooked })
		for i := range 5 {
			s.create(harness.NewCluster{Namespace: s.name, Name: fmt.Sprintf("c%d", i), Class: s.name + hooked})
		}
		for i := range 5 {
			name := fmt.Sprintf("c%d", i)
			cluster := s.endpoint(name)
			var infra *unstructured.Unstructured
			s.eventually("the InfraCluster of "+name, func() error {
				if infra = s.infra(name); infra == nil {
					return errors.New("there is none")
				}
				return nil
			})
			host, _, _ := unstructured.NestedString(infra.Object, "spec", "controlPlaneEndpoint", "host")
			port, _, _ := unstructured.NestedInt64(infra.Object, "spec", "controlPlaneEndpoint", "port")
			require.Equal(t, harness.Endpoint{Host: host, Port: port}, cluster.Endpoint())
			require.Equal(t, int64(1), infra.GetGeneration(), "its spec has never been another")
		}
	})
	t.Run("if the pool is full, should hold the topology back and say why, "+
		"and let go when there is room", func(t *testing.T) {
		s := newScope(t, e, operator)
		s.classes(nil)
		pool := s.pool(controlPlane, 1, 1, func(p *harness.NewPool) { p.Class = s.name + hooked })
		s.create(harness.NewCluster{Namespace: s.name, Name: "first", Class: s.name + hooked})
		s.endpoint("first")
		s.create(harness.NewCluster{Namespace: s.name, Name: "second", Class: s.name + hooked})
		s.sees("second", condition(controlPlane, names.ReasonPoolExhausted), func(c *harness.Cluster) error {
			for _, condition := range c.Conditions() {
				if condition.Type == "TopologyReconciled" && condition.Status == metav1.ConditionFalse &&
					strings.Contains(condition.Message, "BeforeClusterCreate") {
					return nil
				}
			}
			return fmt.Errorf("conditions: %v", c.Conditions())
		})
		require.Nil(t, s.infra("second"))
		require.NoError(t, harness.Merge(t.Context(), s.Pools(""), pool, map[string]any{
			"spec": map[string]any{"addresses": []string{s.ips(1, 2)}},
		}))
		s.endpoint("second")
		s.eventually("the InfraCluster of second", func() error {
			if s.infra("second") == nil {
				return errors.New("there is none")
			}
			return nil
		})
	})
	t.Run("if the class names the hooks and has no pool, should make nothing until it has one", func(t *testing.T) {
		s := newScope(t, e, operator)
		s.classes(nil)
		s.create(harness.NewCluster{Namespace: s.name, Name: "one", Class: s.name + hooked})
		s.eventually("the topology of one is refused", func() error {
			for _, line := range operator.Logged("a runtime hook answers with a failure") {
				if strings.Contains(line.Raw, "no pool serves role control-plane for ClusterClass "+s.name+"/"+s.name+
					hooked) {
					return nil
				}
			}
			return errors.New("nobody has said so")
		})
		require.Nil(t, s.infra("one"))
		s.pool(controlPlane, 1, 5, func(p *harness.NewPool) { p.Class = s.name + hooked })
		s.endpoint("one")
		s.eventually("the InfraCluster of one", func() error {
			if s.infra("one") == nil {
				return errors.New("there is none")
			}
			return nil
		})
	})
	t.Run("if the class does not name the hooks and has no pool, should not wait for anything", func(t *testing.T) {
		s := newScope(t, e, operator)
		s.classes(nil)
		s.create(harness.NewCluster{Namespace: s.name, Name: "one", Class: s.name + unhooked})
		s.eventually("the InfraCluster of one", func() error {
			if s.infra("one") == nil {
				return errors.New("there is none")
			}
			return nil
		})
	})
	t.Run("if a replica stands by, should answer as well, with the same certificate", func(t *testing.T) {
		s := newScope(t, e, operator)
		standby, other := hooksOperator(t, e, "capi-vip-allocator-2", "--leader-elect",
			"--leader-elect-lease-duration=4s", "--leader-elect-renew-deadline=2s", "--leader-elect-retry-period=500ms")
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		require.NoError(t, standby.WaitReady(ctx))
		s.classes(nil)
		s.pool(controlPlane, 1, 5, func(p *harness.NewPool) { p.Class = s.name + hooked })
		cluster := map[string]any{"cluster": map[string]any{
			"metadata": map[string]any{"namespace": s.name, "name": "new", "creationTimestamp": metav1.Now()},
			"spec":     map[string]any{"topology": map[string]any{"class": s.name + hooked}},
		}}
		for _, url := range []string{url, other} {
			s.eventually(url+" holds a Cluster of a class with a pool", func() error {
				if answer := s.hook(
					url, "beforeclustercreate/before-cluster-create", cluster,
				); answer["retryAfterSeconds"] != float64(1) {
					return fmt.Errorf("it answers %v", answer)
				}
				return nil
			})
		}
		require.Empty(t, standby.Logged(registered), "only the leader registers")
		require.Equal(t, url, s.registeredURL())
		ended := make(chan error, 1)
		go func() {
			_, err := standby.Stop(ctx)
			ended <- err
		}()
		require.NoError(t, standby.WaitLog(ctx, "answering runtime hooks a while longer"))
		require.NotContains(t, s.hook(other, "beforeclustercreate/before-cluster-create", cluster), "error",
			"a Service may still send to it")
		require.NoError(t, <-ended)
		require.NotNil(t, extensionConfig(t, e), "a standby that ends takes nothing away")
	})
	t.Run("if the Secret is lost, should make a certificate and tell Cluster API", func(t *testing.T) {
		s := newScope(t, e, operator)
		before := s.bundle()
		secret, err := e.Core.CoreV1().Secrets(harness.Namespace).Get(t.Context(), names.ExtensionObjects,
			metav1.GetOptions{})
		require.NoError(t, err)
		require.Equal(t, "ClusterRole", secret.OwnerReferences[0].Kind)
		require.NoError(t, e.Core.CoreV1().Secrets(harness.Namespace).Delete(t.Context(), names.ExtensionObjects,
			metav1.DeleteOptions{}))
		s.eventually("another bundle is registered", func() error {
			if bytes.Equal(before, s.bundle()) {
				return errors.New("it is the old one")
			}
			return nil
		})
		s.eventually("the hooks answer with it", func() error {
			if answer := s.hook(url, "discovery", map[string]any{}); answer["status"] != "Success" {
				return fmt.Errorf("they answer %v", answer)
			}
			return nil
		})
	})
	t.Run("if someone changes the ExtensionConfig, should restore it", func(t *testing.T) {
		s := newScope(t, e, operator)
		require.NoError(t, harness.Merge(t.Context(), e.ExtensionConfigs(), names.ExtensionName,
			map[string]any{"spec": map[string]any{"clientConfig": map[string]any{"url": "https://elsewhere.invalid"}}}))
		s.eventually("the URL is restored", func() error {
			if got := s.registeredURL(); got != url {
				return errors.New("it is " + got)
			}
			return nil
		})
	})
}

// TestHooksUninstalled removes the operator in every way, and expects Cluster API to start afterwards: Cluster API
// exits at its start if nobody answers for an ExtensionConfig.
func TestHooksUninstalled(t *testing.T) {
	e := hooksPlane(t)
	run := func() *harness.Operator {
		operator, _ := hooksOperator(t, e, "")
		waitServing(t, operator)
		discovered(t, e)
		return operator
	}
	// Cluster API's topology controller works only when all ExtensionConfigs have been discovered.
	worksWithout := func(t *testing.T) {
		t.Helper()
		withoutConfig(t, e)
		require.NoError(t, e.Plane.RestartComponent(t.Context(), plane.CAPI))
		s := newScope(t, e, nil)
		s.create(harness.NewCluster{Namespace: s.name, Name: "one", Class: s.name})
		s.eventually("the InfraCluster of one", func() error {
			if s.infra("one") == nil {
				return errors.New("there is none")
			}
			return nil
		})
	}
	t.Run("if the operator restarts or is rolled out, should keep the ExtensionConfig", func(t *testing.T) {
		deployed(t, e)
		stop(t, run())
		require.NotNil(t, extensionConfig(t, e))
	})
	t.Run("if the Deployment is deleted, should take the ExtensionConfig away", func(t *testing.T) {
		operator := run()
		undeployed(t, e)
		stop(t, operator)
		require.Nil(t, extensionConfig(t, e))
		worksWithout(t)
	})
	t.Run("if the Deployment is scaled to nothing, should take the ExtensionConfig away", func(t *testing.T) {
		deployed(t, e)
		operator := run()
		require.NoError(t,
			harness.Merge(t.Context(), e.Dynamic.Resource(harness.Deployments).Namespace(harness.Namespace),
				"capi-vip-allocator-controller-manager",
				map[string]any{"spec": map[string]any{"replicas": 0}}))
		stop(t, operator)
		require.Nil(t, extensionConfig(t, e))
	})
	t.Run("if an uninstall takes Deployment and roles away and the operator gets to do nothing, "+
		"should be cleaned up behind it", func(t *testing.T) {
		deployed(t, e)
		require.NoError(t, run().Kill())
		undeployed(t, e)
		rbac := e.Core.RbacV1()
		require.NoError(t,
			rbac.RoleBindings(harness.Namespace).Delete(t.Context(), names.ExtensionObjects, metav1.DeleteOptions{}))
		require.NoError(t,
			rbac.Roles(harness.Namespace).Delete(t.Context(), names.ExtensionObjects, metav1.DeleteOptions{}))
		require.NoError(t,
			rbac.ClusterRoleBindings().Delete(t.Context(), names.ExtensionObjects, metav1.DeleteOptions{}))
		require.NoError(t, rbac.ClusterRoles().Delete(t.Context(), names.ExtensionObjects, metav1.DeleteOptions{}))
		worksWithout(t)
		s := newScope(t, e, nil)
		s.eventually("the Secret is gone", func() error {
			if _, err := e.Core.CoreV1().Secrets(harness.Namespace).Get(
				t.Context(), names.ExtensionObjects, metav1.GetOptions{},
			); !apierrors.IsNotFound(err) {
				return fmt.Errorf("it is left: %w", err)
			}
			return nil
		})
	})
}

// Cluster API without the feature gate refuses the ExtensionConfig; everything else works.
func TestHooksWithoutRuntimeSDK(t *testing.T) {
	e := onPlane(t)
	require.NoError(t, harness.GrantExtension(t.Context(), e.Plane))
	operator, _ := hooksOperator(t, e, "")
	waitServing(t, operator)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, plane.Eventually(ctx, func(context.Context) error {
		for _, line := range operator.Logged("the runtime extension is not registered with Cluster API, trying again") {
			if strings.Contains(line.Raw, "RuntimeSDK") {
				return nil
			}
		}
		return errors.New("the operator has not said why it is not registered")
	}))
	s := newScope(t, e, operator)
	s.bothPools()
	s.cluster("one")
	s.served("one")
	s.end()
	stop(t, operator)
}

// bundle returns the registered caBundle.
func (s *scope) bundle() []byte {
	s.t.Helper()
	text, _, _ := unstructured.NestedString(extensionConfig(s.t, s.env).Object, "spec", "clientConfig", "caBundle")
	bundle, err := base64.StdEncoding.DecodeString(text)
	require.NoError(s.t, err)
	return bundle
}

func (s *scope) registeredURL() string {
	s.t.Helper()
	url, _, _ := unstructured.NestedString(extensionConfig(s.t, s.env).Object, "spec", "clientConfig", "url")
	return url
}

// hook calls a hook as Cluster API does and verifies the server with the registered caBundle; nil if the call fails.
func (s *scope) hook(url, path string, request any) map[string]any {
	s.t.Helper()
	roots := x509.NewCertPool()
	require.True(s.t, roots.AppendCertsFromPEM(s.bundle()))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	defer transport.CloseIdleConnections()
	body, err := json.Marshal(request)
	require.NoError(s.t, err)
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	call, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/hooks.runtime.cluster.x-k8s.io/v1alpha1/"+path,
		bytes.NewReader(body))
	require.NoError(s.t, err)
	response, err := (&http.Client{Transport: transport}).Do(call)
	if err != nil {
		return map[string]any{"error": err.Error()}
	}
	defer response.Body.Close()
	answer := map[string]any{}
	require.NoError(s.t, json.NewDecoder(response.Body).Decode(&answer))
	return answer
}
