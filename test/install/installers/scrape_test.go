package installers

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// metricsURL is where the pod serves its metrics.
const metricsURL = "https://127.0.0.1:8443/metrics"

// scrape requests the metrics with a token; "" is none.
func scrape(t *testing.T, token string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, metricsURL, http.NoBody)
	require.NoError(t, err)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	// The operator makes its own certificate.
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(body)
}

// reader creates a service account, binds it to the chart's role for readers if allowed, and returns its token.
func reader(t *testing.T, name string, allowed bool) string {
	t.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}}
	if _, err := client(t).CoreV1().ServiceAccounts("default").Create(t.Context(), account,
		metav1.CreateOptions{}); !apierrors.IsAlreadyExists(err) {
		require.NoError(t, err)
	}
	if allowed {
		binding := &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			RoleRef: rbacv1.RoleRef{
				APIGroup: rbacv1.GroupName, Kind: "ClusterRole",
				Name: "capi-vip-allocator-system-capi-vip-allocator-metrics-reader",
			},
			Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: name, Namespace: "default"}},
		}
		_, err := client(t).RbacV1().ClusterRoleBindings().Create(t.Context(), binding, metav1.CreateOptions{})
		require.NoError(t, err)
		t.Cleanup(func() {
			// The test's context has ended by the time of the cleanup.
			require.NoError(t, client(t).RbacV1().ClusterRoleBindings().Delete(context.WithoutCancel(t.Context()), name,
				metav1.DeleteOptions{}))
		})
	}
	config, err := suite.plane.ServiceAccountConfig(t.Context(), "default", name)
	require.NoError(t, err)
	return config.BearerToken
}

// scrapeAs reads the metrics with the chart's role for readers, and fails to without it.
func scrapeAs(t *testing.T, name string) {
	t.Helper()
	status, _ := scrape(t, "")
	require.Equal(t, http.StatusUnauthorized, status, "without a token")
	status, _ = scrape(t, "not-a-token")
	require.Equal(t, http.StatusUnauthorized, status, "with a token that is none")
	status, _ = scrape(t, reader(t, name+"-without", false))
	require.Equal(t, http.StatusForbidden, status, "with a token that has no role")
	status, body := scrape(t, reader(t, name, true))
	require.Equal(t, http.StatusOK, status, "with a token that has the role of readers")
	require.Contains(t, body, "capi_vip_leader 1")
}
