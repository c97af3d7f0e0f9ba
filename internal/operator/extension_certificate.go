package operator

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/certificate"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/options"
)

// certificateRetry is how soon a certificate that could not be had is looked at again.
const certificateRetry = 2 * time.Second

// certificateSource returns a serving certificate and what verifies it, under the keys of package certificate.
type certificateSource interface {
	load(ctx context.Context) (map[string][]byte, error)
}

// servingCertificate is the certificate that a server shows, and keeps up with its source.
type servingCertificate struct {
	source certificateSource
	// of names the server for log lines.
	of     string
	logger *slog.Logger
	// changed tells of a new bundle.
	changed chan struct{}

	mu   sync.RWMutex
	pair *tls.Certificate
	data map[string][]byte
}

func newServingCertificate(source certificateSource, of string, logger *slog.Logger) *servingCertificate {
	return &servingCertificate{source: source, of: of, logger: logger, changed: make(chan struct{}, 1)}
}

// get is a tls.Config's GetCertificate.
func (s *servingCertificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.pair == nil {
		return nil, errNoCertificate
	}
	return s.pair, nil
}

func (s *servingCertificate) loaded() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.pair != nil
}

// bundle is what clients verify the certificate with; empty if nobody said.
func (s *servingCertificate) bundle() []byte {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.data[certificate.BundleKey]
}

// keep looks at the source every period until ctx ends: a new certificate is in use everywhere within this time. What was
// loaded stays in use while the source fails.
func (s *servingCertificate) keep(ctx context.Context, period time.Duration) {
	said := ""
	for {
		pause, text := period, ""
		if err := s.refresh(ctx); err != nil && ctx.Err() == nil {
			text = capi.Printable(err).Error()
			if !s.loaded() {
				pause = certificateRetry
			}
		}
		if text != said && text != "" {
			s.logger.Warn("the certificate of the "+s.of+" cannot be had, trying again", slog.String(names.ErrorKey, text))
		}
		said = text
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// refresh takes over what the source has.
func (s *servingCertificate) refresh(ctx context.Context) error {
	data, err := s.source.load(ctx)
	if err != nil {
		return err
	}
	s.mu.RLock()
	known := maps.EqualFunc(s.data, data, bytes.Equal)
	s.mu.RUnlock()
	if known && s.loaded() {
		return nil
	}
	pair, err := certificate.Pair(data)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.pair, s.data = pair, data
	s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
	s.logger.Info("a certificate of the "+s.of+" is in use", slog.Time("until", pair.Leaf.NotAfter), slog.String("serial", pair.Leaf.SerialNumber.Text(16)))
	return nil
}

// directory holds a certificate in files, as a mounted Secret has it. Who put them there renews them.
type directory string

func (d directory) load(context.Context) (map[string][]byte, error) {
	data := map[string][]byte{}
	for _, name := range []string{certificate.CertificateKey, certificate.PrivateKeyKey, certificate.BundleKey} {
		content, err := os.ReadFile(filepath.Join(string(d), name))
		if errors.Is(err, fs.ErrNotExist) && name == certificate.BundleKey {
			continue // then somebody else puts the caBundle into the ExtensionConfig, or the certificate is a public one
		}
		if err != nil {
			return nil, fmt.Errorf("read the certificate: %w", err)
		}
		data[name] = content
	}
	return data, nil
}

// secretSource keeps a certificate of the operator's own making in a Secret, which all replicas share. Whoever comes first
// makes it, and whoever sees first that it is time renews it.
type secretSource struct {
	secrets corev1client.SecretInterface
	hosts   []string
	owner   func(context.Context) (*metav1.OwnerReference, error)
	now     func() time.Time
}

// attempts bounds how often one replica gives way to others; each time, one of them has got through.
const attempts = 10

func (s *secretSource) load(ctx context.Context) (map[string][]byte, error) {
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

// try reads the Secret and makes or renews it where that is due. A conflict says that another replica was faster.
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

// create makes the Secret. It goes with the installation, as the ExtensionConfig does.
func (s *secretSource) create(ctx context.Context, data map[string][]byte) error {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: names.ExtensionObjects, Labels: map[string]string{"app.kubernetes.io/name": options.ProgramName}},
		Type:       corev1.SecretTypeTLS,
		Data:       data,
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
