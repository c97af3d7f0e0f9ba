// Package kubelet stands in for what a node does with a Deployment: it runs the container's exact command line from
// the real image, with the files, the environment and the user that the pod asks for, and reports its status.
package kubelet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/gorizond/capi-vip-allocator/test/env/plane"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// accountDir is where a pod finds its service account.
const accountDir = "/var/run/secrets/kubernetes.io/serviceaccount"

// ErrPod says that a pod asks for something that its template does not allow or that does not exist.
var ErrPod = errors.New("the pod cannot run")

// pod is a container with everything that its file system and environment need.
type pod struct {
	root      string
	container corev1.Container
	spec      corev1.PodSpec
	env       []string
}

// prepare reads a Deployment and lays out its container on the file system of the image.
func prepare(ctx context.Context, p *plane.Plane, image, namespace, deployment, root string) (*pod, error) {
	client, err := kubernetes.NewForConfig(p.Config())
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	found, err := client.AppsV1().Deployments(namespace).Get(ctx, deployment, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read the Deployment: %w", err)
	}
	spec := found.Spec.Template.Spec
	if len(spec.Containers) != 1 {
		return nil, fmt.Errorf("%w: it has %d containers", ErrPod, len(spec.Containers))
	}
	if err := admit(ctx, client, found); err != nil {
		return nil, err
	}
	config, err := Unpack(image, root)
	if err != nil {
		return nil, err
	}
	result := &pod{root: root, container: spec.Containers[0], spec: spec}
	if len(result.container.Command) == 0 {
		result.container.Command = config.Entrypoint
	}
	if err := result.mountAccount(ctx, p, namespace); err != nil {
		return nil, err
	}
	if err := result.mountConfigMaps(ctx, client, namespace); err != nil {
		return nil, err
	}
	if err := result.setEnv(p, namespace); err != nil {
		return nil, err
	}
	return result, nil
}

// admit has the API server check the pod against the strictest level, without creating it.
func admit(ctx context.Context, client kubernetes.Interface, deployment *appsv1.Deployment) error {
	const strict = "pod-security-restricted"
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: strict, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}
	_, err := client.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create a namespace: %w", err)
	}
	account := &corev1.ServiceAccount{
		ObjectMeta: metav1.ObjectMeta{Name: deployment.Spec.Template.Spec.ServiceAccountName},
	}
	_, err = client.CoreV1().ServiceAccounts(strict).Create(ctx, account, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create an account: %w", err)
	}
	object := &corev1.Pod{
		ObjectMeta: *deployment.Spec.Template.ObjectMeta.DeepCopy(), Spec: deployment.Spec.Template.Spec,
	}
	object.Name = "judged"
	dryRun := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
	if _, err := client.CoreV1().Pods(strict).Create(ctx, object, dryRun); err != nil {
		return fmt.Errorf("%w: %w", ErrPod, err)
	}
	return nil
}

// mountAccount gives the pod a token of its service account, as the kubelet projects it.
func (o *pod) mountAccount(ctx context.Context, p *plane.Plane, namespace string) error {
	account, err := p.ServiceAccountConfig(ctx, namespace, o.spec.ServiceAccountName)
	if err != nil {
		return err
	}
	return o.mount(accountDir, map[string]string{
		"token": account.BearerToken, "ca.crt": string(account.CAData), "namespace": namespace,
	})
}

func (o *pod) mountConfigMaps(ctx context.Context, client kubernetes.Interface, namespace string) error {
	for _, mount := range o.container.VolumeMounts {
		for _, volume := range o.spec.Volumes {
			if volume.Name != mount.Name {
				continue
			}
			if volume.ConfigMap == nil {
				return fmt.Errorf("%w: volume %s is of a kind that is not known here", ErrPod, volume.Name)
			}
			data, err := client.CoreV1().ConfigMaps(namespace).Get(ctx, volume.ConfigMap.Name, metav1.GetOptions{})
			if err != nil {
				return fmt.Errorf("read the ConfigMap of volume %s: %w", volume.Name, err)
			}
			if err := o.mount(mount.MountPath, data.Data); err != nil {
				return err
			}
		}
	}
	return nil
}

func (o *pod) mount(dir string, files map[string]string) error {
	if err := os.MkdirAll(filepath.Join(o.root, dir), 0o755); err != nil {
		return fmt.Errorf("mount %s: %w", dir, err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(o.root, dir, name), []byte(content), 0o644); err != nil {
			return fmt.Errorf("mount %s: %w", dir, err)
		}
	}
	return nil
}

func (o *pod) setEnv(p *plane.Plane, namespace string) error {
	server, err := url.Parse(p.Config().Host)
	if err != nil {
		return fmt.Errorf("read the address of the API server: %w", err)
	}
	host, port, err := net.SplitHostPort(server.Host)
	if err != nil {
		return fmt.Errorf("read the address of the API server: %w", err)
	}
	o.env = []string{"KUBERNETES_SERVICE_HOST=" + host, "KUBERNETES_SERVICE_PORT=" + port}
	for _, variable := range o.container.Env {
		value := variable.Value
		if from := variable.ValueFrom; from != nil {
			if from.FieldRef == nil || from.FieldRef.FieldPath != "metadata.namespace" {
				return fmt.Errorf("%w: the source of %s is not known here", ErrPod, variable.Name)
			}
			value = namespace
		}
		o.env = append(o.env, variable.Name+"="+value)
		// No argument of the chart has a $$, which stands for a single $.
		for i, arg := range o.container.Args {
			o.container.Args[i] = strings.ReplaceAll(arg, "$("+variable.Name+")", value)
		}
	}
	return nil
}

// CommandLine returns what is run, for messages.
func (o *pod) CommandLine() string {
	return strings.Join(append(append([]string{}, o.container.Command...), o.container.Args...), " ")
}
