package nodehost_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/agent/nodehost"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func options(t *testing.T, yaml string) nodehost.Options {
	t.Helper()
	n, err := config.ParseNode("engram.yaml", []byte("storage: {wal: {segment_size: 8Mi}}\nhot_tier_size: 1Mi\n"+yaml))
	if err != nil {
		t.Fatal(err)
	}
	return nodehost.Options{
		Node: n, DataDir: filepath.Join(t.TempDir(), "node"), Access: api.Config{Addr: "127.0.0.1:0"},
		ListenKey: "--listen", Log: slog.New(slog.DiscardHandler),
	}
}

// serve runs a host until the test, or stop, ends it.
func serve(t *testing.T, o nodehost.Options) (url string, stop func() error) {
	t.Helper()
	h, err := nodehost.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	var over bool
	stop = func() error {
		if over {
			return nil
		}
		over = true
		cancel()
		return errors.Join(<-ended, h.Close(), h.Close())
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return h.URL(), stop
}

func do(t *testing.T, method, url, token, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestServe(t *testing.T) {
	o := options(t, "")
	url, stop := serve(t, o)
	if code, text := do(t, "GET", url+"/health", "", ""); code != http.StatusOK {
		t.Errorf("health: %d %s", code, text)
	}
	if code, text := do(t, "POST", url+"/api/v1/memories/remember", "", `{"id": "m", "content": "kept"}`); code/100 != 2 {
		t.Fatalf("remember: %d %s", code, text)
	}
	if err := stop(); err != nil {
		t.Fatalf("an orderly end: %v", err)
	}
	url, _ = serve(t, o)
	if code, text := do(t, "GET", url+"/api/v1/memories/m", "", ""); code != http.StatusOK || !strings.Contains(text, "kept") {
		t.Errorf("after a restart: %d %s", code, text)
	}
}

// What the disk can do is told only where somebody said it.
func TestDiskIOPS(t *testing.T) {
	for iops, want := range map[int]bool{0: false, 5000: true} {
		o := options(t, "")
		o.Node.Storage.DiskIOPS = iops
		url, _ := serve(t, o)
		code, text := do(t, "GET", url+"/metrics?format=prometheus", "", "")
		if got := strings.Contains(text, `engram_disk_iops_ceiling{ceiling="configured"} 5000`); code != http.StatusOK || got != want {
			t.Errorf("%d: %d, told %v: %.300s", iops, code, got, text)
		}
	}
}

// What is under way when the end comes may still write, and be told that it is durable.
func TestEndFinishesWhatIsUnderWay(t *testing.T) {
	o := options(t, "")
	h, err := nodehost.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	body, more := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.URL()+"/api/v1/memories/import", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	go func() { _, _ = io.WriteString(more, `{"id": "first", "content": "x"}`+"\n") }()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answers := bufio.NewReader(resp.Body)
	for _, id := range []string{"first", "second"} {
		if id == "second" {
			cancel()
			if _, err := io.WriteString(more, `{"id": "second", "content": "y"}`+"\n"); err != nil {
				t.Fatal(err)
			}
		}
		if line, err := answers.ReadString('\n'); err != nil || !strings.Contains(line, `"`+id+`"`) {
			t.Fatalf("%s: %q, %v", id, line, err)
		}
	}
	if err := more.Close(); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(answers); err != nil || !strings.Contains(string(rest), `"done":true`) {
		t.Errorf("it ends with %q, %v", rest, err)
	}
	if err := errors.Join(<-ended, h.Close()); err != nil {
		t.Error(err)
	}
	url, _ := serve(t, o)
	if code, text := do(t, "GET", url+"/api/v1/memories/second", "", ""); code != http.StatusOK {
		t.Errorf("after a restart: %d %s", code, text)
	}
}

func TestRoles(t *testing.T) {
	o := options(t, "")
	o.Access.TokenFile = filepath.Join(t.TempDir(), "tokens")
	var tokens strings.Builder
	for _, role := range []string{"read", "write", "approve", "admin"} {
		fmt.Fprintf(&tokens, "%s:%s:%s\n", role, role, role+"-0123456789abcdef")
	}
	if err := os.WriteFile(o.Access.TokenFile, []byte(tokens.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	url, _ := serve(t, o)
	for _, tt := range []struct {
		method, path, body string
		role               string // the least that is let in
	}{
		{"GET", "/health", "", ""},
		{"GET", "/openapi.json", "", ""},
		{"GET", "/metrics", "", "read"},
		{"GET", "/api/v1/memories/nothing", "", "read"},
		{"GET", "/api/v1/memories/export", "", "read"},
		{"POST", "/api/v1/memories/recall", `{"seeds": ["m"]}`, "read"},
		{"POST", "/api/v1/links", `{"from": "m", "to": "n"}`, "write"},
		{"DELETE", "/api/v1/memories/nothing", "", "write"},
		{"POST", "/api/v1/admin/maintenance/disable", "", "admin"},
		{"POST", "/api/v1/admin/storage/evict-now", "", "admin"},
		{"POST", "/api/v1/spaces", `{"name": "s"}`, "admin"},
		{"POST", "/api/v1/memories/remember", `{"id": "m", "content": "x"}`, "write"},
	} {
		in := tt.role == ""
		for _, role := range []string{"", "read", "write", "approve", "admin"} {
			token := ""
			if role != "" {
				token = role + "-0123456789abcdef"
			}
			in = in || role == tt.role
			code, text := do(t, tt.method, url+tt.path, token, tt.body)
			if refused := code == http.StatusUnauthorized || code == http.StatusForbidden; refused == in {
				t.Errorf("%s %s as %q: %d %s", tt.method, tt.path, role, code, text)
			}
		}
	}
}

// On loopback a name of somebody's may be a web page's trick; where everybody is let in it is how they know us.
func TestNames(t *testing.T) {
	for _, tt := range []struct {
		addr     string
		insecure bool
		want     int
	}{
		{"127.0.0.1:0", false, http.StatusMisdirectedRequest},
		{"127.0.0.1:0", true, http.StatusMisdirectedRequest},
		{"0.0.0.0:0", true, http.StatusOK},
	} {
		o := options(t, "")
		o.Access.Addr, o.Access.Insecure = tt.addr, tt.insecure
		url, _ := serve(t, o)
		_, port, _ := strings.Cut(strings.TrimPrefix(strings.Replace(url, "[::]", "any", 1), "http://"), ":")
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:"+port+"/health", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "engram.prod.svc"
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != tt.want {
			t.Errorf("%s, insecure %v: %d, want %d", tt.addr, tt.insecure, resp.StatusCode, tt.want)
		}
	}
}

func TestOpenFails(t *testing.T) {
	o := options(t, "")
	url, _ := serve(t, o)
	_, port, _ := strings.Cut(strings.TrimPrefix(url, "http://"), ":")
	for name, tt := range map[string]struct {
		change func(*nodehost.Options)
		want   string
	}{
		"a busy port":           {func(o *nodehost.Options) { o.Access.Addr = "127.0.0.1:" + port }, "choose another with --listen"},
		"a directory in use":    {func(n *nodehost.Options) { n.DataDir = o.DataDir }, "is in use by process"},
		"a file as a directory": {func(o *nodehost.Options) { o.DataDir = "host_test.go" }, "open the memory node in host_test.go"},
		"open to everybody":     {func(o *nodehost.Options) { o.Access.Addr = "0.0.0.0:0" }, api.ErrExposed.Error()},
	} {
		other := options(t, "")
		tt.change(&other)
		if _, err := nodehost.Open(other); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// A dimension that can never be in force is no configuration to go on with.
func TestOtherDimension(t *testing.T) {
	o := options(t, "vector_dim: 4")
	_, stop := serve(t, o)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	o.Node.VectorDim = 8
	_, err := nodehost.Open(o)
	if err == nil || !strings.Contains(err.Error(), "vector_dim is 8, and the vectors of the space default have 4 numbers") {
		t.Errorf("got %v", err)
	}
	o.Node.VectorDim = 0
	serve(t, o)
}
