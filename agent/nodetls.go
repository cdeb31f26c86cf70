package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"

	"github.com/engramd/engramd/agent/config"
)

// maxHeaders bounds the head of an answer to a request of the executor.
const maxHeaders = 64 << 10

// ownNodeTransport carries the executor's requests where the embedded node serves TLS: that one is known by what its scrape knows it by,
// everybody else by what the system trusts. Nil is the executor's own.
func ownNodeTransport(cfg *config.Config, node string) http.RoundTripper {
	for _, s := range cfg.Metrics.Scrape {
		if u, err := url.Parse(s.URL); err == nil && s.CAFile != "" && config.SameNode(s.URL, node) {
			return &http.Transport{DisableKeepAlives: true, MaxResponseHeaderBytes: maxHeaders, DialTLSContext: dialTLS(u.Host, s)}
		}
	}
	return nil
}

// dialTLS reads the certificate at each connection: it is renewed while everything runs.
func dialTLS(own string, s config.Scrape) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		d := tls.Dialer{Config: &tls.Config{}}
		if address == own {
			pem, err := os.ReadFile(s.CAFile)
			if err != nil {
				return nil, fmt.Errorf("read the certificate of the embedded node: %w", err)
			}
			d.Config.RootCAs, d.Config.ServerName = x509.NewCertPool(), s.ServerName
			if !d.Config.RootCAs.AppendCertsFromPEM(pem) {
				return nil, fmt.Errorf("%s holds no certificate in PEM", s.CAFile)
			}
		}
		return d.DialContext(ctx, network, address)
	}
}
