package live

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gorizond/capi-vip-allocator/internal/options"
)

// optionsOf reads the operator's options as the operator does, from its arguments, its environment and its config file,
// and reports whether all of them could be read. Where the operator would refuse a value, it does not run and nothing
// depends on it.
func (r *Reader) optionsOf(ctx context.Context, d *appsv1.Deployment) (*options.Options, bool) {
	c := managerOf(d)
	if c == nil {
		return options.New(), false
	}
	lookupEnv := environmentOf(d, c)
	readFile := func(file string) ([]byte, error) { return r.mountedFile(ctx, d, c, file) }
	set, err := options.ParseKnown(argumentsOf(c, lookupEnv))
	err = errors.Join(err, set.CompleteInPod(d.Namespace, lookupEnv, readFile), set.Validate())
	return set, err == nil
}

// environmentOf knows the variables of the operator's container that its Deployment gives.
func environmentOf(d *appsv1.Deployment, c *corev1.Container) options.LookupEnv {
	return func(key string) (string, bool) {
		// Of several of one name, the last counts.
		for _, variable := range slices.Backward(c.Env) {
			if variable.Name != key {
				continue
			}
			if variable.ValueFrom == nil {
				return variable.Value, true
			}
			field := variable.ValueFrom.FieldRef
			return d.Namespace, field != nil && field.FieldPath == "metadata.namespace"
		}
		return "", false
	}
}

// reference is how a container's arguments refer to its environment; the doubled sign stands for the sign itself.
var reference = regexp.MustCompile(`\$\$|\$\([^()]+\)`)

// argumentsOf returns the arguments that the operator is started with. A command gives the first of them.
func argumentsOf(c *corev1.Container, lookupEnv options.LookupEnv) []string {
	args := slices.Concat(c.Command[min(1, len(c.Command)):], c.Args)
	for i, arg := range args {
		args[i] = reference.ReplaceAllStringFunc(arg, func(found string) string {
			if found == "$$" {
				return "$"
			}
			if value, ok := lookupEnv(found[len("$(") : len(found)-len(")")]); ok {
				return value
			}
			return found
		})
	}
	return args
}

// mountedFile reads a file of the operator's container from the ConfigMap that is mounted there.
func (r *Reader) mountedFile(
	ctx context.Context, d *appsv1.Deployment, c *corev1.Container, file string,
) ([]byte, error) {
	for i := range c.VolumeMounts {
		name := nameIn(&c.VolumeMounts[i], path.Clean(file))
		for _, volume := range d.Spec.Template.Spec.Volumes {
			if name != "" && volume.Name == c.VolumeMounts[i].Name && volume.ConfigMap != nil {
				return r.readConfigMap(ctx, d.Namespace, volume.ConfigMap, name)
			}
		}
	}
	return nil, fmt.Errorf("no ConfigMap is mounted at %s: %w", file, fs.ErrNotExist)
}

// nameIn returns what a file of a container is called in the volume that is mounted, or "" if it is not of that volume.
func nameIn(mount *corev1.VolumeMount, file string) string {
	switch at := path.Clean(mount.MountPath); {
	case mount.SubPath != "" && at == file:
		return mount.SubPath
	case mount.SubPath == "" && at == path.Dir(file):
		return path.Base(file)
	}
	return ""
}

// readConfigMap reads a file of a volume that a ConfigMap gives.
func (r *Reader) readConfigMap(
	ctx context.Context, namespace string, volume *corev1.ConfigMapVolumeSource, name string,
) ([]byte, error) {
	if len(volume.Items) > 0 {
		i := slices.IndexFunc(volume.Items, func(item corev1.KeyToPath) bool { return item.Path == name })
		if i < 0 {
			return nil, fmt.Errorf("ConfigMap %s gives no %s: %w", volume.Name, name, fs.ErrNotExist)
		}
		name = volume.Items[i].Key
	}
	configMap, err := r.core.CoreV1().ConfigMaps(namespace).Get(ctx, volume.Name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read the operator's ConfigMap: %w", err)
	}
	if text, ok := configMap.Data[name]; ok {
		return []byte(text), nil
	}
	if content, ok := configMap.BinaryData[name]; ok {
		return content, nil
	}
	return nil, fmt.Errorf("ConfigMap %s has no %s: %w", volume.Name, name, fs.ErrNotExist)
}
