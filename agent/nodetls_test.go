package agent

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/node"
	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/testenv"
)

// certified writes cert.pem and key.pem of a certificate that signs itself, with one name that leads nowhere.
func certified(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"engram.example"}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: cert}, "key.pem": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// With TLS, and also where clients need certificates, the embedded node is scraped and observed like without; and what the agent
// trusts for it, it trusts for nobody else.
func TestEmbeddedNodeWithTLS(t *testing.T) {
	for name, more := range map[string]string{"": "", "client certificates": ", client_ca_file: cert.pem"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			certified(t, dir)
			text := fmt.Sprintf("version: 1\ndata_dir: %s/data\nmetrics: {interval: 1s}\nlisten: {agent: '127.0.0.1:0', node: '127.0.0.1:%d'}\n"+
				"tls: {cert_file: cert.pem, key_file: key.pem%s}\nnode: %s\n", dir, testenv.Port(t), more, smallNode)
			cfg, err := config.Parse(filepath.Join(dir, "agent.yaml"), []byte(text), actuators.Registry{"node": node.Platform()})
			if err != nil || len(cfg.Warnings) > 0 {
				t.Fatal(err, cfg.Warnings)
			}
			a, err := New(Options{
				Config: cfg, Registry: actuators.Registry{"node": node.Platform()}, Version: "test", LockDir: t.TempDir(), Log: slog.New(slog.DiscardHandler),
			})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- a.Run(ctx) }()
			defer func() {
				cancel()
				if err := errors.Join(<-ended, a.Close()); err != nil {
					t.Error(err)
				}
			}()
			for began := time.Now(); ; {
				st, err := a.Status(ctx)
				if err != nil || len(st.Targets) != 1 {
					t.Fatalf("%+v: %v", st.Targets, err)
				}
				all := a.endpoints()
				if len(st.Targets[0].Resources) > 0 && len(all) == 1 && !all[0].LastAt.IsZero() && all[0].Err == nil {
					break
				}
				if time.Since(began) > 30*time.Second {
					t.Fatalf("%s: %s; %+v", st.Targets[0].State, st.Targets[0].Detail, all)
				}
				select {
				case err := <-ended:
					t.Fatal(err)
				case <-time.After(50 * time.Millisecond):
				}
			}
			if err := asks(t, a.transport, a.node.host.URL()+"/health"); err != nil {
				t.Errorf("its health: %v", err)
			}
			other := httptest.NewUnstartedServer(http.NotFoundHandler())
			other.Config.ErrorLog = log.New(io.Discard, "", 0)
			other.StartTLS()
			defer other.Close()
			if _, unknown := errors.AsType[x509.UnknownAuthorityError](asks(t, a.transport, other.URL)); !unknown {
				t.Error("it trusts somebody else")
			}
		})
	}
}

// Alerts lead a person to the console as it is served.
func TestConsoleURL(t *testing.T) {
	for cert, want := range map[string]string{"": "http://127.0.0.1:9090", "cert.pem": "https://127.0.0.1:9090"} {
		cfg := &config.Config{Listen: config.Listen{Agent: "127.0.0.1:9090"}, TLS: config.TLS{CertFile: cert}}
		if got := eventsConfig(cfg).ConsoleURL; got != want {
			t.Errorf("%q: %s, want %s", cert, got, want)
		}
	}
}

// asks makes a request and wants an answer of success.
func asks(t *testing.T, by http.RoundTripper, url string) error {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := by.RoundTrip(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}
