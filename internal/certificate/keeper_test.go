package certificate_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/certificate"
	"github.com/gorizond/capi-vip-allocator/internal/certificate/certificatetest"
)

// A server loads the files of --webhook-cert-dir, and new ones without a restart. Unusable files change nothing.
func TestKeeperFromDirectory(t *testing.T) {
	dir := t.TempDir()
	serving := certificate.NewKeeper(certificate.Directory(dir), "test", slog.New(slog.DiscardHandler))
	_, err := serving.Get(nil)
	require.ErrorIs(t, err, certificate.ErrNone)
	require.Error(t, serving.Refresh(t.Context()), "the directory is empty")

	first, second := certificatetest.Chain(t), certificatetest.Chain(t)
	certificatetest.Write(t, dir, first)
	require.NoError(t, serving.Refresh(t.Context()))
	require.Equal(t, first[certificate.BundleKey], serving.Bundle())
	<-serving.Changed()

	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		MinVersion: tls.VersionTLS12, GetCertificate: serving.Get,
	})
	require.NoError(t, err)
	defer listener.Close()
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { _ = connection.(*tls.Conn).HandshakeContext(context.Background()); _ = connection.Close() }()
		}
	}()
	address := listener.Addr().String()
	require.NoError(t, certificatetest.Connect(t, address, first[certificate.BundleKey]))

	require.NoError(t, os.WriteFile(filepath.Join(dir, certificate.CertificateKey), []byte("half a file"), 0o600))
	require.Error(t, serving.Refresh(t.Context()))
	require.NoError(t, certificatetest.Connect(t, address, first[certificate.BundleKey]),
		"the last good one stays in use")

	certificatetest.Write(t, dir, second)
	require.NoError(t, serving.Refresh(t.Context()))
	require.NoError(t, certificatetest.Connect(t, address, second[certificate.BundleKey]))
	require.Error(t, certificatetest.Connect(t, address, first[certificate.BundleKey]))
	<-serving.Changed()
	require.NoError(t, serving.Refresh(t.Context()))
	require.Empty(t, serving.Changed(), "nothing has changed")

	require.NoError(t, os.Remove(filepath.Join(dir, certificate.BundleKey)))
	require.NoError(t, serving.Refresh(t.Context()))
	require.Empty(t, serving.Bundle(), "then someone else says what verifies the certificate")
}

type sourceFunc func() (map[string][]byte, error)

func (f sourceFunc) Load(context.Context) (map[string][]byte, error) { return f() }

// Keep retries soon while it has no certificate, and ends with its context.
func TestKeeperKeeps(t *testing.T) {
	data, asked := certificatetest.Chain(t), make(chan struct{}, 10)
	ctx, cancel := context.WithCancel(t.Context())
	var log bytes.Buffer
	serving := certificate.NewKeeper(sourceFunc(func() (map[string][]byte, error) {
		asked <- struct{}{}
		if len(asked) == 1 {
			return nil, errors.New("no API server")
		}
		cancel()
		return data, nil
	}), "test", slog.New(slog.NewTextHandler(&log, nil)))
	serving.Keep(ctx, time.Hour)
	require.True(t, serving.Loaded())
	require.Contains(t, log.String(), "no API server")
	require.Len(t, asked, 2)
}
