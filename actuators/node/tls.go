package node

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"time"
)

// clientTLS says whom a client trusts, and who it is.
func clientTLS(s Spec) (*tls.Config, error) {
	c := &tls.Config{ServerName: s.ServerName}
	if s.CAFile != "" {
		pem, err := os.ReadFile(s.CAFile)
		if err != nil {
			return nil, fmt.Errorf("node: read ca_file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("node: ca_file %s holds no certificate in PEM", s.CAFile)
		}
	}
	if s.CertFile != "" {
		cert, err := tls.LoadX509KeyPair(s.CertFile, s.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("node: read cert_file: %w", err)
		}
		c.Certificates = []tls.Certificate{cert}
	}
	return c, nil
}

// A version tells one content of a file from another; zero is a file that is not there.
type version struct {
	size     int64
	modified time.Time
}

// certificates are the versions of the files that clientTLS reads. They are renewed while everything runs.
type certificates [3]version

func filesOf(s Spec) (all certificates) {
	for i, name := range []string{s.CAFile, s.CertFile, s.KeyFile} {
		if name == "" {
			continue
		}
		if info, err := os.Stat(name); err == nil {
			all[i] = version{info.Size(), info.ModTime()}
		}
	}
	return all
}
