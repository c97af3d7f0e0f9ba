package diagnostics

import (
	"crypto/tls"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/gorizond/capi-vip-allocator/internal/certificate"
	"github.com/gorizond/capi-vip-allocator/internal/options"
)

const (
	certificateLifetime = 30 * 24 * time.Hour
	// certificateRenewal is how long before it expires a certificate is replaced.
	certificateRenewal = 10 * 24 * time.Hour
)

// selfSigned makes certificates for a server whose clients cannot verify it anyway, and replaces them before they
// expire. It keeps the key in memory only.
type selfSigned struct {
	now func() time.Time

	mu          sync.Mutex
	certificate *tls.Certificate
}

// newSelfSigned makes the first certificate immediately, so that any failure shows at startup.
func newSelfSigned(now func() time.Time) (*selfSigned, error) {
	s := &selfSigned{now: now}
	_, err := s.get(nil)
	return s, err
}

// get implements tls.Config's GetCertificate.
func (s *selfSigned) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if s.certificate != nil && now.Before(s.certificate.Leaf.NotAfter.Add(-certificateRenewal)) {
		return s.certificate, nil
	}
	made, err := certificate.Serving(now, certificateLifetime, options.ProgramName,
		append(certificateNames(), "127.0.0.1", "::1"), nil)
	if err != nil {
		return nil, fmt.Errorf("cannot make a certificate for the diagnostics server: %w", err)
	}
	s.certificate = made
	return made, nil
}

// certificateNames returns localhost, and the host name if a certificate can carry it.
func certificateNames() []string {
	names := []string{"localhost"}
	host, err := os.Hostname()
	if err != nil {
		return names // it only decorates the certificate
	}
	if name := strings.ToLower(host); name != "localhost" && len(validation.IsDNS1123Subdomain(name)) == 0 {
		names = append(names, name)
	}
	return names
}
