package api_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/agent/api"
)

const (
	reader   = "reader-token-0123456789"
	approver = "approver-token-0123456789"
	admin    = "admin-token-0123456789"
)

// tokens writes a token file.
func tokens(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	write(t, path, text)
	return path
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

const tokenText = "# people\ngrafana:read:" + reader + "\n\nanna:approve:" + approver + "\nadmin " + admin + "\n"

func TestTokensCarryRoles(t *testing.T) {
	b := &fake{}
	h := server(t, b, api.Config{TokenFile: tokens(t, tokenText)}).Handler()
	requests := []struct {
		method, target string
		allowed        string // the roles
	}{
		{"GET", "/-/healthy", "none read approve admin wrong"},
		{"GET", "/-/ready", "none read approve admin wrong"},
		{"GET", "/", "none read approve admin wrong"},
		{"GET", "/metrics", "read approve admin"},
		{"GET", "/engramd/v1/status", "read approve admin"},
		{"GET", "/engramd/v1/diagnose", "read approve admin"},
		{"POST", "/api/v1/query", "read approve admin"},
		{"POST", "/api/v1/admin/tsdb/delete_series", "admin"},
		{"POST", "/engramd/v1/actions/a/approve", "approve admin"},
		{"POST", "/engramd/v1/actions/a/cancel", "approve admin"},
		{"POST", "/engramd/v1/pause", "admin"},
		{"POST", "/-/reload", "admin"},
	}
	for _, r := range requests {
		for role, token := range map[string]string{"none": "", "read": reader, "approve": approver, "admin": admin, "wrong": "wrong-token-0123456789"} {
			b.call = ""
			var headers []string
			if token != "" {
				headers = []string{"Authorization", "Bearer " + token}
			}
			w := do(h, r.method, r.target, "", headers...)
			want := http.StatusOK
			switch {
			case strings.Contains(" "+r.allowed+" ", " "+role+" "):
			case role == "none", role == "wrong":
				want = http.StatusUnauthorized
			default:
				want = http.StatusForbidden
			}
			if w.Code != want || want != 200 && b.call != "" {
				t.Errorf("%s %s as %s: %d, want %d, called %q", r.method, r.target, role, w.Code, want, b.call)
			}
			if want == 401 && w.Header().Get("WWW-Authenticate") == "" {
				t.Error("401 without WWW-Authenticate")
			}
			if strings.Contains(w.Body.String(), token) && token != "" {
				t.Errorf("the answer shows the token: %s", w.Body)
			}
		}
	}
	// The token says who it was, whatever the request says.
	do(h, "POST", "/engramd/v1/actions/a/approve", `{"by":"somebody else"}`, "Authorization", "Bearer "+approver)
	if b.call != `approve["a",{"by":"anna"}]` {
		t.Errorf("called %s", b.call)
	}
	// A page cannot know the token, so the name does not matter.
	if w := do(h, "GET", "/engramd/v1/status", "", "Authorization", "Bearer "+reader, "Host", "agent.example"); w.Code != 200 {
		t.Errorf("by another name: %d", w.Code)
	}
}

func TestATokenFileIsReadAgain(t *testing.T) {
	path := tokens(t, tokenText)
	h := server(t, &fake{}, api.Config{TokenFile: path}).Handler()
	status := func(token string) int {
		return do(h, "GET", "/engramd/v1/status", "", "Authorization", "Bearer "+token).Code
	}
	change := func(text string) {
		write(t, path, text)
		// A clock may be coarser than this test.
		later := time.Now().Add(time.Duration(len(text)) * time.Second)
		if err := os.Chtimes(path, later, later); err != nil {
			t.Fatal(err)
		}
	}
	if status(reader) != 200 {
		t.Fatal("not let in")
	}
	change("x:read:another-token-012345\n")
	if status(reader) != 401 || status("another-token-012345") != 200 {
		t.Error("a new file did not come into force")
	}
	for what, broken := range map[string]func(){
		"broken": func() { change("x:read\n") },
		"empty":  func() { change("") },
		"gone": func() {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		},
	} {
		broken()
		if status("another-token-012345") != 200 || status(reader) != 401 {
			t.Errorf("%s: the tokens of before are not in force", what)
		}
	}
}

func TestTokenFilesWithFaults(t *testing.T) {
	tests := map[string]struct{ text, says string }{
		"none":         {"# nothing\n", "no token"},
		"no role":      {"x:" + reader, "line 1: want name:role:token"},
		"unknown role": {"\nx:god:" + reader, "line 2: want a role"},
		"nobody":       {"x:nobody:" + reader, "want a role"},
		"short":        {"x:read:short", "shorter than 16"},
		"twice":        {"x:read:" + reader + "\ny:admin:" + reader, "line 2: the same token as in line 1"},
		"all at once":  {"x:god:" + reader + "\ny", "line 2"},
	}
	for name, test := range tests {
		_, err := api.New(api.Config{Addr: "127.0.0.1:0", TokenFile: tokens(t, test.text)}, &fake{}, api.Mounts{}, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), reader) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnOpenPortNeedsAccessControl(t *testing.T) {
	tests := map[string]struct {
		cfg api.Config
		ok  bool
	}{
		"loopback":         {api.Config{Addr: "127.0.0.1:9090"}, true},
		"localhost":        {api.Config{Addr: "localhost:9090"}, true},
		"IPv6 loopback":    {api.Config{Addr: "[::1]:9090"}, true},
		"socket":           {api.Config{Addr: "unix:///run/engramd.sock"}, true},
		"everywhere":       {api.Config{Addr: ":9090"}, false},
		"everywhere too":   {api.Config{Addr: "0.0.0.0:9090"}, false},
		"an address":       {api.Config{Addr: "10.0.0.1:9090"}, false},
		"a name":           {api.Config{Addr: "host.example:9090"}, false},
		"with tokens":      {api.Config{Addr: ":9090", TokenFile: tokens(t, tokenText)}, true},
		"insecure by word": {api.Config{Addr: ":9090", Insecure: true}, true},
		"CA without cert":  {api.Config{Addr: ":9090", ClientCAFile: "ca.pem"}, false},
		"cert without key": {api.Config{Addr: "127.0.0.1:9090", CertFile: "cert.pem"}, false},
	}
	for name, test := range tests {
		_, err := api.New(test.cfg, &fake{}, api.Mounts{}, slog.New(slog.DiscardHandler))
		if (err == nil) != test.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAClientCertificateCarriesARole(t *testing.T) {
	tests := map[string]struct {
		organizations []string
		verified      bool
		read, admin   int
	}{
		"reader":       {[]string{"Example Ltd", "engramd:read"}, true, 200, 403},
		"admin":        {[]string{"engramd:read", "engramd:admin"}, true, 200, 200},
		"without role": {[]string{"admin"}, true, 403, 403},
		"unknown role": {[]string{"engramd:god"}, true, 403, 403},
		"unverified":   {[]string{"engramd:admin"}, false, 401, 401},
	}
	dir := pki(t)
	h := server(t, &fake{}, api.Config{CertFile: dir + "/cert.pem", KeyFile: dir + "/key.pem", ClientCAFile: dir + "/cert.pem"}).Handler()
	for name, test := range tests {
		cert := &x509.Certificate{Subject: pkix.Name{CommonName: "anna", Organization: test.organizations}}
		state := &tls.ConnectionState{}
		if test.verified {
			state.VerifiedChains = [][]*x509.Certificate{{cert}}
		}
		for target, want := range map[string]int{"GET /engramd/v1/status": test.read, "POST /-/reload": test.admin} {
			method, path, _ := strings.Cut(target, " ")
			r := httptest.NewRequest(method, path, nil)
			r.Host, r.TLS = "127.0.0.1", state
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("%s: %s is %d, want %d", name, target, w.Code, want)
			}
		}
	}
}
