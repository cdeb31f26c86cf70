package api

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"
)

// newTLS makes the server's TLS configuration, nil if it serves without.
func newTLS(cfg Config) (*tls.Config, error) {
	if cfg.CertFile == "" && cfg.KeyFile == "" {
		if cfg.ClientCAFile != "" {
			return nil, errors.New("tls.client_ca_file needs tls.cert_file and tls.key_file beside it")
		}
		return nil, nil
	}
	if cfg.CertFile == "" || cfg.KeyFile == "" {
		return nil, errors.New("tls.cert_file and tls.key_file belong together: set both")
	}
	pair := &keyPair{certFile: cfg.CertFile, keyFile: cfg.KeyFile}
	if _, err := pair.get(nil); err != nil {
		return nil, err
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: pair.get, NextProtos: []string{"h2", "http/1.1"}}
	if cfg.ClientCAFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(cfg.ClientCAFile)
	if err != nil {
		return nil, fmt.Errorf("read tls.client_ca_file: %w", err)
	}
	t.ClientCAs = x509.NewCertPool()
	if !t.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("tls.client_ca_file %s holds no certificate in PEM", cfg.ClientCAFile)
	}
	// Probes have no certificate: what may be asked without one is Access's to say.
	t.ClientAuth = tls.VerifyClientCertIfGiven
	return t, nil
}

// A keyPair is the server's certificate, read again when its file changes.
type keyPair struct {
	certFile, keyFile string

	mu   sync.Mutex
	seen fileState
	cert *tls.Certificate
}

// get returns the certificate of now, or the one before while the files do not fit each other: they
// are replaced one after the other.
func (p *keyPair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	state, err := stat(p.certFile)
	if p.cert != nil && (err != nil || state == p.seen) {
		return p.cert, nil
	}
	cert, err := tls.LoadX509KeyPair(p.certFile, p.keyFile)
	if err != nil && p.cert == nil {
		return nil, fmt.Errorf("read tls.cert_file and tls.key_file: %w", err)
	}
	if err == nil {
		p.cert, p.seen = &cert, state
	}
	return p.cert, nil
}

func stat(path string) (fileState, error) {
	st, err := os.Stat(path)
	if err != nil {
		return fileState{}, err
	}
	return fileState{st.Size(), st.ModTime()}, nil
}
