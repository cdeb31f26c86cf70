package main

import (
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestHealthcheck asks agents and nodes that are well, ill, elsewhere and gone.
func TestHealthcheck(t *testing.T) {
	answer := func(status int, path string) *httptest.Server {
		return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != path {
				http.NotFound(w, r)
				return
			}
			w.WriteHeader(status)
			w.Write([]byte("so it is\n"))
		}))
	}
	gone := httptest.NewServer(nil)
	gone.Close()
	well, ill, node := answer(200, "/-/healthy"), answer(503, "/-/healthy"), answer(200, "/health")
	secure := httptest.NewTLSServer(well.Config.Handler)
	for _, s := range []*httptest.Server{well, ill, node, secure} {
		defer s.Close()
	}
	at := func(s *httptest.Server) string { return strings.TrimPrefix(s.URL, "http://") }
	for name, test := range map[string]struct {
		agent, node string
		tls         bool
		args        []string
		code        int
	}{
		"the agent is well":               {agent: at(well), node: at(gone)},
		"the agent is ill":                {agent: at(ill), node: at(node), code: exitFailed},
		"a node alone":                    {agent: at(gone), node: at(node)},
		"nobody":                          {agent: at(gone), node: at(gone), code: exitFailed},
		"on every address":                {agent: strings.Replace(at(well), "127.0.0.1", "", 1), node: at(gone)},
		"over TLS":                        {agent: strings.TrimPrefix(secure.URL, "https://"), node: at(gone), tls: true},
		"somewhere else":                  {agent: at(gone), node: at(gone), args: []string{"--url", node.URL + "/health"}},
		"what is no address":              {agent: at(gone), node: at(gone), args: []string{"--url", "http://\x01"}, code: exitUsage},
		"somewhere else and not so":       {agent: at(well), node: at(node), args: []string{"--url", node.URL + "/other"}, code: exitFailed},
		"a broken file, the usual places": {agent: "nonsense", node: at(node), args: []string{"--url", well.URL + "/-/healthy"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("ENGRAMD_INSECURE", "1")
			file := filepath.Join(t.TempDir(), "agent.yaml")
			yaml := "version: 1\nlisten: {agent: \"" + test.agent + "\", node: \"" + test.node + "\"}\n"
			if test.tls {
				yaml += "tls: {cert_file: c.pem, key_file: k.pem}\n"
			}
			if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
				t.Fatal(err)
			}
			root := newRoot()
			var out bytes.Buffer
			root.SetOut(&out)
			root.SetArgs(append([]string{"healthcheck", "--config", file}, test.args...))
			err := root.ExecuteContext(t.Context())
			code := 0
			if err != nil {
				code = codeOf(err)
			}
			if code != test.code {
				t.Errorf("exit code %d, want %d: %v %s", code, test.code, err, out.String())
			}
		})
	}
}

// TestHealthcheckOfOneThatHangs does not wait longer than it is told.
func TestHealthcheckOfOneThatHangs(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	root := newRoot()
	root.SetArgs([]string{"healthcheck", "--timeout", "50ms", "--url", "http://" + ln.Addr().String()})
	if err := root.ExecuteContext(t.Context()); err == nil {
		t.Error("an agent that does not answer is healthy")
	}
}
