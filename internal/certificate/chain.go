package certificate

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

// The keys of the certificates in a Secret, and the names of their files in a directory.
const (
	// BundleKey holds the certificates of all authorities, which clients verify with.
	BundleKey = "ca.crt"
	// AuthorityKeysKey holds the private keys of the authorities.
	AuthorityKeysKey = "ca.key"
	// CertificateKey and PrivateKeyKey hold the serving certificate, as in a Secret of type kubernetes.io/tls.
	CertificateKey = "tls.crt"
	// PrivateKeyKey holds its key.
	PrivateKeyKey = "tls.key"
)

// The lifetimes of the certificates that Renew makes. A certificate never outlives its authority.
const (
	// Lifetime is that of a serving certificate, renewal how long before it expires it is replaced.
	Lifetime = 90 * 24 * time.Hour
	renewal  = 30 * 24 * time.Hour
	// authorityLifetime and authorityRenewal are the same for authorities.
	authorityLifetime = 5 * 365 * 24 * time.Hour
	authorityRenewal  = 365 * 24 * time.Hour
	// settling is how long a new authority is in the bundle before it signs; by then every client has the bundle.
	settling = 24 * time.Hour
)

var (
	errNoPair       = errors.New("a certificate and its key are needed")
	errWrongHosts   = errors.New("it is for other hosts")
	errNoAuthority  = errors.New("no authority that is known has signed it")
	errSoonOver     = errors.New("it ends soon")
	errNotECDSA     = errors.New("it is not one of ours")
	errKeysMismatch = errors.New("certificates and keys do not belong together")
)

// Renew returns the data of a Secret with everything replaced that is missing or about to expire, and whether
// anything was. Age alone decides which authority signs, so any replica may renew at any time and gets the same
// result. Renew keeps nothing of authorities or serving certificates that it cannot parse.
//
// Renew replaces a serving certificate a month before it expires. It adds a new authority to the bundle a year before
// the old one expires; the new one signs a day later, and the old one stays until it has expired. So any bundle of
// the last day verifies any certificate of the last day.
func Renew(data map[string][]byte, commonName string, hosts []string, now time.Time) (map[string][]byte, bool, error) {
	authorities, err := parseAuthorities(data)
	if err != nil {
		authorities = nil
	}
	kept := slices.DeleteFunc(slices.Clone(authorities), func(a *tls.Certificate) bool {
		return !now.Before(a.Leaf.NotAfter)
	})
	changed := err != nil || len(kept) != len(authorities)
	if len(kept) == 0 || now.After(kept[len(kept)-1].Leaf.NotAfter.Add(-authorityRenewal)) {
		added, err := authority(now, authorityLifetime, commonName+"-ca")
		if err != nil {
			return nil, false, fmt.Errorf("make a certificate authority: %w", err)
		}
		kept, changed = append(kept, added), true
	}
	renewed := map[string][]byte{CertificateKey: data[CertificateKey], PrivateKeyKey: data[PrivateKeyKey]}
	if renewed[BundleKey], renewed[AuthorityKeysKey], err = encodeAuthorities(kept); err != nil {
		return nil, false, err
	}
	if check(renewed, hosts, now) == nil {
		return renewed, changed, nil
	}
	serving, err := Serving(now, Lifetime, commonName, hosts, signer(kept, now))
	if err != nil {
		return nil, false, fmt.Errorf("make a serving certificate: %w", err)
	}
	renewed[CertificateKey], renewed[PrivateKeyKey], err = encode(serving)
	return renewed, true, err
}

// signer returns the newest authority that has been in the bundle for long enough, or else the oldest.
func signer(authorities []*tls.Certificate, now time.Time) *tls.Certificate {
	for _, a := range slices.Backward(authorities) {
		if !now.Before(a.Leaf.NotBefore.Add(backdate + settling)) {
			return a
		}
	}
	return authorities[0]
}

// check returns what is wrong with the serving certificate, or nil.
func check(data map[string][]byte, hosts []string, now time.Time) error {
	pair, err := Pair(data)
	if err != nil {
		return err
	}
	if now.After(pair.Leaf.NotAfter.Add(-renewal)) {
		return errSoonOver
	}
	for _, host := range hosts {
		if pair.Leaf.VerifyHostname(host) != nil {
			return errWrongHosts
		}
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(data[BundleKey])
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now}); err != nil {
		return errors.Join(errNoAuthority, err)
	}
	return nil
}

// Pair returns the serving certificate in the data.
func Pair(data map[string][]byte) (*tls.Certificate, error) {
	if len(data[CertificateKey]) == 0 || len(data[PrivateKeyKey]) == 0 {
		return nil, errNoPair
	}
	pair, err := tls.X509KeyPair(data[CertificateKey], data[PrivateKeyKey])
	if err != nil {
		return nil, fmt.Errorf("read the serving certificate: %w", err)
	}
	return &pair, nil
}

// parseAuthorities returns the authorities in the data, oldest first.
func parseAuthorities(data map[string][]byte) ([]*tls.Certificate, error) {
	if len(data[BundleKey]) == 0 {
		return nil, nil
	}
	certificates, err := cert.ParseCertsPEM(data[BundleKey])
	if err != nil {
		return nil, fmt.Errorf("read the authorities: %w", err)
	}
	var authorities []*tls.Certificate
	rest := data[AuthorityKeysKey]
	for _, certificate := range certificates {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, errKeysMismatch
		}
		parsed, err := keyutil.ParsePrivateKeyPEM(pem.EncodeToMemory(block))
		if err != nil {
			return nil, fmt.Errorf("read the keys of the authorities: %w", err)
		}
		key, ok := parsed.(*ecdsa.PrivateKey)
		if !ok {
			return nil, errNotECDSA
		}
		if !key.PublicKey.Equal(certificate.PublicKey) {
			return nil, errKeysMismatch
		}
		authorities = append(authorities, &tls.Certificate{
			Certificate: [][]byte{certificate.Raw}, PrivateKey: key, Leaf: certificate,
		})
	}
	return authorities, nil
}

// encodeAuthorities is the inverse of parseAuthorities.
func encodeAuthorities(authorities []*tls.Certificate) (certificates, keys []byte, err error) {
	var bundle, all bytes.Buffer
	for _, a := range authorities {
		certificate, key, err := encode(a)
		if err != nil {
			return nil, nil, err
		}
		bundle.Write(certificate)
		all.Write(key)
	}
	return bundle.Bytes(), all.Bytes(), nil
}

func encode(pair *tls.Certificate) (certificate, key []byte, err error) {
	if certificate, err = cert.EncodeCertificates(pair.Leaf); err != nil {
		return nil, nil, fmt.Errorf("write a certificate: %w", err)
	}
	if key, err = keyutil.MarshalPrivateKeyToPEM(pair.PrivateKey); err != nil {
		return nil, nil, fmt.Errorf("write a key: %w", err)
	}
	return certificate, key, nil
}
