package zk_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/internal/zkserver"
	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/metadata/zk"
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	a := &authority{key: key}
	a.cert = a.sign(t, key, &x509.Certificate{
		Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	return a
}

// sign signs with the authority's key; without a certificate of its own yet, the authority itself.
func (a *authority) sign(t *testing.T, key *ecdsa.PrivateKey, template *x509.Certificate) *x509.Certificate {
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent := a.cert
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, a.key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return cert
}

// issue returns a certificate for localhost, good for a server and a client.
func (a *authority) issue(t *testing.T) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	cert := a.sign(t, key, &x509.Certificate{
		Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// serverFiles writes what a server is given.
func (a *authority) serverFiles(t *testing.T) *zkserver.TLS {
	c := a.issue(t)
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	require.NoError(t, err)
	dir := t.TempDir()
	files := &zkserver.TLS{CertAndKey: filepath.Join(dir, "server.pem"), Trusted: filepath.Join(dir, "trusted.pem")}
	both := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]})
	both = append(both, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
	require.NoError(t, os.WriteFile(files.CertAndKey, both, 0o600))
	trusted := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
	require.NoError(t, os.WriteFile(files.Trusted, trusted, 0o600))
	return files
}

// Servers are spoken to with TLS, by their names, and both sides prove who they are.
func TestTLS(t *testing.T) {
	installed(t)
	a := newAuthority(t)
	e := servers(t, zkserver.Config{Servers: 1, Tick: tick, TLS: a.serverFiles(t)})
	_, port, err := net.SplitHostPort(e.Servers[0].TLSAddress)
	require.NoError(t, err)
	cfg := config("localhost:" + port)
	cfg.TLS = &tls.Config{RootCAs: a.pool(), Certificates: []tls.Certificate{a.issue(t)}}
	s := create(t, cfg)
	require.NoError(t, s.Multi(t.Context(), metadata.Create("/a", []byte("x"))))
	n, err := s.Get(t.Context(), "/a")
	require.NoError(t, err)
	require.Equal(t, []byte("x"), n.Data)

	refused := func(change func(*zk.Config), says string) {
		t.Helper()
		cfg := cfg
		cfg.TLS = cfg.TLS.Clone()
		change(&cfg)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_, err := zk.Open(ctx, cfg)
		require.ErrorIs(t, err, metadata.ErrUnavailable)
		require.ErrorContains(t, err, says)
	}
	refused(func(c *zk.Config) { c.TLS.RootCAs = newAuthority(t).pool() }, "certificate signed by unknown authority")
	refused(func(c *zk.Config) { c.Servers = []string{"127.0.0.1:" + port} }, "127.0.0.1")
	refused(func(c *zk.Config) { c.TLS.ServerName = "zk9.example" }, "zk9.example")
	refused(func(c *zk.Config) { c.TLS.Certificates = nil }, "localhost:"+port)
	refused(func(c *zk.Config) { c.TLS = nil }, "localhost:"+port)
	refused(func(c *zk.Config) { c.Servers = []string{e.Servers[0].Address} }, "TLS: ")
}
