// Package certificate makes and renews the operator's serving certificates.
package certificate

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
	"time"
)

const (
	// backdate lets clients connect whose clocks are behind.
	backdate   = 5 * time.Minute
	serialBits = 128
)

// Serving returns a certificate for a server with these names and addresses, signed by the given authority, or
// self-signed if that is nil.
func Serving(
	now time.Time, lifetime time.Duration, commonName string, hosts []string, by *tls.Certificate,
) (*tls.Certificate, error) {
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: commonName},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	return issue(now, lifetime, template, by)
}

// authority returns a self-signed CA certificate.
func authority(now time.Time, lifetime time.Duration, commonName string) (*tls.Certificate, error) {
	return issue(now, lifetime, &x509.Certificate{
		Subject:        pkix.Name{CommonName: commonName},
		KeyUsage:       x509.KeyUsageCertSign,
		IsCA:           true,
		MaxPathLenZero: true,
	}, nil)
}

// issue generates a key, completes the template and signs it: with the key of by, or with its own if by is nil.
func issue(
	now time.Time, lifetime time.Duration, template *x509.Certificate, by *tls.Certificate,
) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate the key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits))
	if err != nil {
		return nil, fmt.Errorf("choose a serial number: %w", err)
	}
	template.SerialNumber = serial
	template.NotBefore, template.NotAfter = now.Add(-backdate), now.Add(lifetime)
	template.BasicConstraintsValid = true
	if by == nil {
		by = &tls.Certificate{Leaf: template, PrivateKey: key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.Leaf, key.Public(), by.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read back: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}
