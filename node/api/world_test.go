package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/api"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("internal/poll.runtime_pollWait"),
		goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"),
		goleak.IgnoreTopFunction("net/http.(*persistConn).readLoop"))
}

// A world is a running node behind its API.
type world struct {
	t      *testing.T
	node   *node.Node
	api    *api.API
	url    string
	client *api.Client
	doc    *checker
}

// begin starts a node in an empty directory.
func begin(t *testing.T, o api.Options) *world {
	t.Helper()
	n, err := node.Open(node.Options{DataDir: t.TempDir(), HotBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	a := api.New(n, o)
	server := httptest.NewUnstartedServer(a)
	server.Config = api.Server(a, api.Limits{})
	server.Start()
	c, err := api.NewClient(server.URL, api.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		server.Close()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return &world{t: t, node: n, api: a, url: server.URL, client: c}
}

// documented begins a world in which all that is asked and answered must agree with the OpenAPI document.
func documented(t *testing.T) *world {
	w := begin(t, api.Options{})
	w.doc = w.check()
	return w
}

// An answer is what a request got.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask does a request. The body, if there is one, is JSON unless a header says otherwise.
func (w *world) ask(method, path, body string, header ...string) answer {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	a := w.send(r)
	if w.doc != nil && r.URL.Path != "/openapi.json" {
		w.doc.exchange(r, body, a)
	}
	return a
}

func (w *world) send(r *http.Request) answer {
	w.t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	a := answer{resp.StatusCode, resp.Header, string(b)}
	a.check(w.t, r)
	return a
}

// check looks at what every answer must have.
func (a answer) check(t *testing.T, r *http.Request) {
	t.Helper()
	if a.status >= 400 {
		var p api.Problem
		d := json.NewDecoder(bytes.NewReader([]byte(a.body)))
		d.DisallowUnknownFields()
		if err := d.Decode(&p); err != nil || p.Status != a.status || p.Type == "" || p.Title == "" || p.Detail == "" {
			t.Errorf("%s %s: %d with no problem document (%v): %s", r.Method, r.URL, a.status, err, a.body)
		}
		if got := a.header.Get("Content-Type"); got != "application/problem+json" {
			t.Errorf("%s %s: problem of type %q", r.Method, r.URL, got)
		}
		if a.status == http.StatusServiceUnavailable && a.header.Get("Retry-After") == "" {
			t.Errorf("%s %s: 503 without Retry-After: %s", r.Method, r.URL, a.body)
		}
	}
}

// must does a request that has to end with a status.
func (w *world) must(status int, method, path, body string, header ...string) answer {
	w.t.Helper()
	a := w.ask(method, path, body, header...)
	if a.status != status {
		w.t.Fatalf("%s %s %.200s: %d, want %d: %s", method, path, body, a.status, status, a.body)
	}
	return a
}

// read decodes an answer.
func read[T any](t *testing.T, a answer) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	return v
}
