package operator

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"strings"
	"sync"
	"time"
)

const (
	certificateLifetime = 30 * 24 * time.Hour
	// certificateRenewal is how long before its end a certificate is replaced.
	certificateRenewal = 10 * 24 * time.Hour
	// certificateBackdate keeps clients whose clocks are behind.
	certificateBackdate = 5 * time.Minute
	serialBits          = 128
)

// selfSigned makes certificates for a server whose clients cannot verify it anyway, and replaces them in time. The
// key is kept in memory only.
type selfSigned struct {
	now func() time.Time

	mu          sync.Mutex
	certificate *tls.Certificate
}

// newSelfSigned makes the first certificate at once, so that what can fail does so at the start.
func newSelfSigned(now func() time.Time) (*selfSigned, error) {
	s := &selfSigned{now: now}
	_, err := s.get(nil)
	return s, err
}

// get is a tls.Config's GetCertificate.
func (s *selfSigned) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if s.certificate != nil && now.Before(s.certificate.Leaf.NotAfter.Add(-certificateRenewal)) {
		return s.certificate, nil
	}
	certificate, err := makeCertificate(now)
	if err != nil {
		return nil, fmt.Errorf("cannot make a certificate for the diagnostics server: %w", err)
	}
	s.certificate = certificate
	return certificate, nil
}

func makeCertificate(now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate the key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits))
	if err != nil {
		return nil, fmt.Errorf("choose a serial number: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: ProgramName},
		DNSNames:              certificateNames(),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		NotBefore:             now.Add(-certificateBackdate),
		NotAfter:              now.Add(certificateLifetime),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read back: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// certificateNames leaves out a host name that no certificate can carry.
func certificateNames() []string {
	names := []string{"localhost"}
	if name := strings.ToLower(hostname()); name != "localhost" && isSubdomain(name) {
		names = append(names, name)
	}
	return names
}
