package node_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log"
	"math/big"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	driver "github.com/engramd/engramd/actuators/node"
	"github.com/engramd/engramd/node"
)

// certify writes a certificate that signs itself, and is no CA, with its key, and returns the pair.
func certify(t *testing.T, file, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{name},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// A node behind a certificate is trusted by that certificate and its name, also when it is renewed, and nothing else is.
func TestCertificate(t *testing.T) {
	w := begin(t, node.Options{})
	file := filepath.Join(t.TempDir(), "cert.pem")
	shown := certify(t, file, "engram.example")
	server := httptest.NewUnstartedServer(w.served)
	server.TLS = &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &shown, nil }}
	server.Config.ErrorLog = log.New(t.Output(), "", 0) // of refused certificates
	server.StartTLS()
	defer server.Close()
	observe := func(s driver.Spec) error {
		t.Helper()
		s.URL = server.URL
		if err := driver.Check(&s); err != nil {
			t.Fatal(err)
		}
		server.CloseClientConnections() // the next one sees the certificate of now
		target := w.target
		target.Specs = map[string]any{"node": s}
		_, err := w.driver.Observe(t.Context(), target)
		return err
	}
	trusting := driver.Spec{CAFile: file, ServerName: "engram.example"}
	if err := observe(trusting); err != nil {
		t.Errorf("its own certificate: %v", err)
	}
	for what, s := range map[string]driver.Spec{
		"no certificate": {ServerName: "engram.example"}, "no name": {CAFile: file}, "another name": {CAFile: file, ServerName: "other.example"},
	} {
		if err := observe(s); err == nil || !strings.Contains(err.Error(), "not trusted") {
			t.Errorf("%s: %v", what, err)
		}
	}
	shown = certify(t, filepath.Join(t.TempDir(), "other.pem"), "engram.example")
	if err := observe(trusting); err == nil || !strings.Contains(err.Error(), "not trusted") {
		t.Errorf("somebody else's certificate of the same name: %v", err)
	}
	if err := os.WriteFile(file, []byte("half of a cert"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := observe(trusting); err == nil || !strings.Contains(err.Error(), "not trusted") {
		t.Errorf("while it is being replaced the one before holds: %v", err)
	}
	shown = certify(t, file, "engram.example")
	if err := observe(trusting); err != nil {
		t.Errorf("the renewed one: %v", err)
	}
}
