package installers

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/test/install/internal/kubelet"
	"github.com/gorizond/capi-vip-allocator/test/install/internal/programs"
)

// TestPages runs the pod of the pages as Helm has installed it: from the image, restricted, with a pod's
// configuration and under the chart's roles.
func TestPages(t *testing.T) {
	const namespace = "capi-vip-allocator-system"
	helm := newInstaller(t, programs.Helm)
	chart := dist(first, "capi-vip-allocator-"+strings.TrimPrefix(first, "v")+".tgz")
	helm.run(t, "install", "capi-vip-allocator", chart, "--namespace", namespace, "--create-namespace",
		"--wait", "--timeout", "2m", "--set", "ui.enabled=true")
	image := dist(first, "capi-vip-allocator_"+first+"_image.tar")
	pod, err := kubelet.Run(t.Context(), suite.plane, image, namespace, "capi-vip-allocator-ui")
	require.NoError(t, err)
	t.Cleanup(func() {
		_, _, _ = pod.Stop() // a failed test has not stopped it
		t.Logf("%s\n%s", pod.CommandLine, pod.Log())
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, pod.WaitFor(ctx, "http://"))
	var text string
	eventually(t, func(ctx context.Context) error {
		var err error
		text, err = page(ctx)
		return err
	})
	require.Contains(t, text, "<h1>Pools</h1>")
	require.Contains(t, text, "Operator: ")
	require.NotContains(t, text, "cannot be read", "Deployment and Lease")
	require.NotContains(t, text, "Note: ", "all that there is can be read, the operator's ConfigMap too")
	endPod(t, pod)
	helm.run(t, "uninstall", "capi-vip-allocator", "--namespace", namespace, "--wait", "--timeout", "2m")
	require.Equal(t, []string{"Namespace/capi-vip-allocator-system"}, left(t, namespace))
	removeNamespace(t, namespace)
}

// page fetches the first page.
func page(ctx context.Context) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:8080/", http.NoBody)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("the page is answered with %s: %s", response.Status, text)
	}
	return string(text), err
}
