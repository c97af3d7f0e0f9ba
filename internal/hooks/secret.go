package hooks

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/gorizond/capi-vip-allocator/internal/certificate"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/options"
)

// secretSource keeps a certificate that the operator issues itself in a Secret that all replicas share. The first
// replica creates it, and the first to see that it is due renews it.
type secretSource struct {
	secrets corev1client.SecretInterface
	hosts   []string
	owner   func(context.Context) (*metav1.OwnerReference, error)
	now     func() time.Time
}

// attempts bounds how often one replica retries after a conflict; each time, another replica's write has succeeded.
const attempts = 10

// Load returns the Secret's data, and creates or renews it first if that is due.
func (s *secretSource) Load(ctx context.Context) (map[string][]byte, error) {
	var err error
	for range attempts {
		var data map[string][]byte
		data, err = s.try(ctx)
		if err == nil || !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) {
			return data, err
		}
	}
	return nil, err
}

// try reads the Secret and creates or renews it if that is due. A conflict means that another replica was faster.
func (s *secretSource) try(ctx context.Context) (map[string][]byte, error) {
	secret, err := s.secrets.Get(ctx, names.ExtensionObjects, metav1.GetOptions{})
	missing := apierrors.IsNotFound(err)
	if err != nil && !missing {
		return nil, fmt.Errorf("read the Secret %s: %w", names.ExtensionObjects, err)
	}
	if missing {
		secret = &corev1.Secret{}
	}
	data, changed, err := certificate.Renew(secret.Data, options.ProgramName, s.hosts, s.now())
	if err != nil || !changed {
		return data, err
	}
	if missing {
		return data, s.create(ctx, data)
	}
	secret = secret.DeepCopy()
	secret.Data = data
	if _, err := s.secrets.Update(ctx, secret, metav1.UpdateOptions{FieldManager: names.FieldManager}); err != nil {
		return nil, fmt.Errorf("renew the certificate in the Secret %s: %w", names.ExtensionObjects, err)
	}
	return data, nil
}

// create makes the Secret. Like the ExtensionConfig, an uninstall removes it.
func (s *secretSource) create(ctx context.Context, data map[string][]byte) error {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name: names.ExtensionObjects, Labels: map[string]string{"app.kubernetes.io/name": options.ProgramName},
		},
		Type: corev1.SecretTypeTLS,
		Data: data,
	}
	owner, err := s.owner(ctx)
	if err != nil && !errors.Is(err, errNoOwner) {
		return err
	}
	if owner != nil {
		secret.OwnerReferences = []metav1.OwnerReference{*owner}
	}
	if _, err := s.secrets.Create(ctx, secret, metav1.CreateOptions{FieldManager: names.FieldManager}); err != nil {
		return fmt.Errorf("create the Secret %s: %w", names.ExtensionObjects, err)
	}
	return nil
}
