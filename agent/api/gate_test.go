package api_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/engramd/engramd/agent/api"
)

// others is what somebody else serves behind a gate: reading is for readers, all else for admins.
func others(t *testing.T, cfg api.Config) *httptest.Server {
	t.Helper()
	g, err := api.NewGate(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/panic" {
			panic("on purpose")
		}
		_, _ = io.WriteString(w, "let in")
	})
	s := httptest.NewServer(g.Guard(h, func(r *http.Request) api.Role {
		switch {
		case r.URL.Path == "/health":
			return api.Nobody
		case r.Method == http.MethodGet:
			return api.Read
		}
		return api.Admin
	}))
	t.Cleanup(s.Close)
	return s
}

func status(t *testing.T, method, url string, change func(*http.Request)) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(req)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

func TestGateGuardsByToken(t *testing.T) {
	tokens := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(tokens, []byte("reader:read:0123456789abcdef\nroot:admin:fedcba9876543210\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := others(t, api.Config{Addr: "0.0.0.0:7432", TokenFile: tokens})
	bearer := func(token string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
	}
	for _, tt := range []struct {
		method, path, token string
		want                int
	}{
		{"GET", "/health", "", 200},
		{"GET", "/x", "", 401},
		{"GET", "/x", "nonsense-nonsense", 401},
		{"GET", "/x", "0123456789abcdef", 200},
		{"POST", "/x", "0123456789abcdef", 403},
		{"POST", "/x", "fedcba9876543210", 200},
	} {
		change := bearer(tt.token)
		if tt.token == "" {
			change = nil
		}
		if got := status(t, tt.method, s.URL+tt.path, change); got != tt.want {
			t.Errorf("%s %s with %q: %d, want %d", tt.method, tt.path, tt.token, got, tt.want)
		}
	}
}

func TestGateKeepsWebPagesOut(t *testing.T) {
	s := others(t, api.Config{Addr: "127.0.0.1:7432"})
	if got := status(t, "POST", s.URL+"/x", nil); got != 200 {
		t.Errorf("curl on loopback: %d", got)
	}
	for name, change := range map[string]func(*http.Request){
		"a name of somebody's": func(r *http.Request) { r.Host = "evil.example" },
		"another origin":       func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
	} {
		if got := status(t, "POST", s.URL+"/x", change); got != http.StatusForbidden && got != http.StatusMisdirectedRequest {
			t.Errorf("%s: %d", name, got)
		}
	}
	anyName := others(t, api.Config{Addr: "0.0.0.0:7432", Insecure: true, Hosts: []string{api.AnyHost}})
	if got := status(t, "GET", anyName.URL+"/x", func(r *http.Request) { r.Host = "engram.prod.svc" }); got != 200 {
		t.Errorf("a service's name, where everybody is let in: %d", got)
	}
}

func TestGateOutlivesPanics(t *testing.T) {
	s := others(t, api.Config{Addr: "127.0.0.1:7432"})
	if got := status(t, "GET", s.URL+"/panic", nil); got != http.StatusInternalServerError {
		t.Errorf("a panic: %d", got)
	}
}

func TestGateRefusesToBeOpen(t *testing.T) {
	_, err := api.NewGate(api.Config{Addr: "0.0.0.0:7432"}, slog.New(slog.DiscardHandler))
	if !errors.Is(err, api.ErrExposed) {
		t.Errorf("got %v", err)
	}
}
