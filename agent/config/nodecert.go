package config

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// maxCertificate bounds what is read of a file of certificates.
const maxCertificate = 1 << 20

// certificateIn reads the first certificate of a file, which is the server's own.
func certificateIn(file string) (*x509.Certificate, error) {
	text, err := readRegular(file, maxCertificate)
	if err != nil {
		return nil, fmt.Errorf("read tls.cert_file %s: %w", file, err)
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read tls.cert_file %s: %w", file, err)
		}
		return cert, nil
	}
	return nil, fmt.Errorf("tls.cert_file %s holds no certificate in PEM", file)
}

// nameIn is a name by which a client that asks at a URL knows whose the certificate is: that of the URL, if the certificate has it.
func nameIn(cert *x509.Certificate, at string) (string, error) {
	names := cert.DNSNames
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	if u, err := url.Parse(at); err == nil {
		names = append([]string{u.Hostname()}, names...)
	}
	for _, name := range names {
		name = strings.Replace(name, "*", NodeJob, 1) // one of the names that a wildcard stands for
		if cert.VerifyHostname(name) == nil {
			return name, nil
		}
	}
	return "", errors.New("the certificate has no name (subjectAltName), so no client can tell whose it is: make one with a name, such as DNS:localhost")
}

// certifies reports whether a URL has the port of the node and a name of its certificate.
func certifies(cert *x509.Certificate, text, node string) bool {
	u, err := url.Parse(text)
	n, nodeErr := url.Parse(node)
	return text != "" && err == nil && nodeErr == nil && samePort(u, n) && cert.VerifyHostname(u.Hostname()) == nil
}
