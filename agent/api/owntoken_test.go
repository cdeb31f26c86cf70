package api_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/engramd/engramd/agent/api"
)

// A program's own token is good beside those of the file, and beside client certificates.
func TestOwnToken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(file, []byte("me:read:of-somebody-who-reads\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		own, sent string
		status    int
	}{
		"its own":         {"made-at-the-start", "made-at-the-start", 200},
		"another":         {"made-at-the-start", "made-up", 401},
		"a reader's":      {"made-at-the-start", "of-somebody-who-reads", 403},
		"nobody's":        {"made-at-the-start", "", 401},
		"empty is no own": {"", "", 401},
	} {
		t.Run(name, func(t *testing.T) {
			pki := pki(t)
			withCerts := api.Config{CertFile: pki + "/cert.pem", KeyFile: pki + "/key.pem", ClientCAFile: pki + "/cert.pem"}
			for _, cfg := range []api.Config{{TokenFile: file}, withCerts} {
				cfg.Addr, cfg.OwnToken = "127.0.0.1:0", c.own
				g, err := api.NewGate(cfg, slog.New(slog.DiscardHandler))
				if err != nil {
					t.Fatal(err)
				}
				h := g.Guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), func(*http.Request) api.Role { return api.Admin })
				r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1/", nil)
				if c.sent != "" {
					r.Header.Set("Authorization", "Bearer "+c.sent)
				}
				rec := httptest.NewRecorder()
				h.ServeHTTP(rec, r)
				if want := c.status; rec.Code != want && (want != 403 || cfg.TokenFile != "" || rec.Code != 401) {
					t.Errorf("%+v: %d, want %d", cfg, rec.Code, want)
				}
			}
		})
	}
}
