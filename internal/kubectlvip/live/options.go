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

// optionsOf reads the operator's options as the operator does, from its arguments, environment and config file, and
// reports whether it could read all of them. If the operator would refuse a value, it does not run, so the result does
// not matter.
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

// environmentOf returns a lookup of the variables that the Deployment sets for the operator's container.
func environmentOf(d *appsv1.Deployment, c *corev1.Container) options.LookupEnv {
	return func(key string) (string, bool) {
		// If a name occurs more than once, the last one counts.
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

// reference matches a container argument's references to its environment; $$ stands for a literal $.
var reference = regexp.MustCompile(`\$\$|\$\([^()]+\)`)

// argumentsOf returns the operator's arguments, those in the container's command first.
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

// mountedFile reads a file of the operator's container from the ConfigMap mounted there.
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

// nameIn returns the name of a container's file within a mounted volume, or "" if it is not in that volume.
func nameIn(mount *corev1.VolumeMount, file string) string {
	switch at := path.Clean(mount.MountPath); {
	case mount.SubPath != "" && at == file:
		return mount.SubPath
	case mount.SubPath == "" && at == path.Dir(file):
		return path.Base(file)
	}
	return ""
}

// readConfigMap reads a file of a ConfigMap volume.
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
