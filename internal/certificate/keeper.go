package certificate

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

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// ErrNone means that a server has no certificate yet.
var ErrNone = errors.New("waiting for the certificate")

// retry is how soon Keep tries again while it has no certificate.
const retry = 2 * time.Second

// Source provides a serving certificate, its key and the bundle that verifies it, under CertificateKey, PrivateKeyKey
// and BundleKey.
type Source interface {
	// Load returns the current data.
	Load(ctx context.Context) (map[string][]byte, error)
}

// Keeper holds a server's certificate and keeps it current. It is safe for concurrent use.
type Keeper struct {
	source Source
	// of names the server in log lines.
	of     string
	logger *slog.Logger
	// changed receives a value when the certificate or the bundle has changed.
	changed chan struct{}

	mu   sync.RWMutex
	pair *tls.Certificate
	data map[string][]byte
}

// NewKeeper returns a Keeper without a certificate; of names the server in log lines.
func NewKeeper(source Source, of string, logger *slog.Logger) *Keeper {
	return &Keeper{source: source, of: of, logger: logger, changed: make(chan struct{}, 1)}
}

// Get implements tls.Config's GetCertificate.
func (s *Keeper) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.pair == nil {
		return nil, ErrNone
	}
	return s.pair, nil
}

// Loaded reports whether the Keeper has a certificate.
func (s *Keeper) Loaded() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.pair != nil
}

// Changed receives a value when Refresh has loaded new data.
func (s *Keeper) Changed() <-chan struct{} { return s.changed }

// Bundle returns the CA bundle that verifies the certificate; empty if the source has none.
func (s *Keeper) Bundle() []byte {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.data[BundleKey]
}

// Keep refreshes from the source every period until ctx ends, so a new certificate is in use everywhere within that
// time. While the source fails, the last certificate stays in use.
func (s *Keeper) Keep(ctx context.Context, period time.Duration) {
	said := ""
	for {
		pause, text := period, ""
		if err := s.Refresh(ctx); err != nil && ctx.Err() == nil {
			text = capi.Printable(err).Error()
			if !s.Loaded() {
				pause = retry
			}
		}
		if text != said && text != "" {
			s.logger.Warn("the certificate of the "+s.of+" cannot be had, trying again",
				slog.String(names.ErrorKey, text))
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

// Refresh loads the certificate from the source.
func (s *Keeper) Refresh(ctx context.Context) error {
	data, err := s.source.Load(ctx)
	if err != nil {
		return err
	}
	s.mu.RLock()
	known := maps.EqualFunc(s.data, data, bytes.Equal)
	s.mu.RUnlock()
	if known && s.Loaded() {
		return nil
	}
	pair, err := Pair(data)
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
	s.logger.Info("a certificate of the "+s.of+" is in use", slog.Time("until", pair.Leaf.NotAfter),
		slog.String("serial", pair.Leaf.SerialNumber.Text(16)))
	return nil
}

// Directory is a Source that reads files laid out like a mounted Secret. Whoever put them there renews them.
type Directory string

// Load reads the files.
func (d Directory) Load(context.Context) (map[string][]byte, error) {
	data := map[string][]byte{}
	for _, name := range []string{CertificateKey, PrivateKeyKey, BundleKey} {
		content, err := os.ReadFile(filepath.Join(string(d), name))
		if errors.Is(err, fs.ErrNotExist) && name == BundleKey {
			continue // someone else sets the ExtensionConfig's caBundle, or a public CA signed the certificate
		}
		if err != nil {
			return nil, fmt.Errorf("read the certificate: %w", err)
		}
		data[name] = content
	}
	return data, nil
}
