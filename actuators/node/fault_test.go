package node_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/actuators"
	driver "github.com/engramd/engramd/actuators/node"
	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/policy"
)

// notANode is where something else answers.
func notANode(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(s.Close)
	return s.URL
}

// rewrite has every answer of the node pass through f.
func (w *world) rewrite(f func(string) string) {
	w.instead(func(rw http.ResponseWriter, r *http.Request) bool {
		rec := httptest.NewRecorder()
		w.served.ServeHTTP(rec, r)
		rw.WriteHeader(rec.Code)
		_, _ = rw.Write([]byte(f(rec.Body.String())))
		return true
	})
}

// planned observes the node and plans a change of it.
func (w *world) planned(t *testing.T, size policy.Size) actuators.Plan {
	t.Helper()
	st, err := w.driver.Observe(t.Context(), w.target)
	if err != nil {
		t.Fatal(err)
	}
	p, err := w.driver.Plan(w.target, st, size)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestFaults(t *testing.T) {
	problem := func(status int, text string) func(http.ResponseWriter, *http.Request) bool {
		return func(rw http.ResponseWriter, _ *http.Request) bool {
			rw.WriteHeader(status)
			_, _ = rw.Write([]byte(text))
			return true
		}
	}
	w := begin(t, node.Options{})
	p := w.planned(t, policy.Size{policy.ThreadsSpreading: policy.Amount(3)})
	for name, c := range map[string]struct {
		front func(http.ResponseWriter, *http.Request) bool
		is    error
		says  string
	}{
		"no token":             {problem(401, `{"type":"urn:engramd:problem:unauthorized","title":"Unauthorized","detail":"no token"}`), nil, "token_file"},
		"a token that may not": {problem(403, `{"type":"x","title":"Forbidden"}`), nil, "role admin"},
		"maintenance":          {problem(503, `{"type":"urn:engramd:problem:maintenance","detail":"maintenance mode is on"}`), actuators.ErrTransient, "maintenance mode is on"},
		"busy":                 {problem(429, ``), actuators.ErrTransient, "Too Many"},
		"a proxy without node": {problem(502, `<html>`), actuators.ErrTransient, "502"},
		"a wrong value":        {problem(400, `{"type":"x","detail":"threading: 3 is too many","remedy":"take 2"}`), actuators.ErrRefused, "take 2"},
		"somebody else's":      {problem(409, `{"type":"x","detail":"owned"}`), actuators.ErrRefused, "owned"},
		"no room":              {problem(507, `{"type":"x","detail":"the disk is full"}`), nil, "the disk is full"},
		"elsewhere": {func(rw http.ResponseWriter, r *http.Request) bool {
			http.Redirect(rw, r, "http://example.invalid/", http.StatusFound)
			return true
		}, nil, "302"},
		"cut off": {func(rw http.ResponseWriter, _ *http.Request) bool {
			rw.Header().Set("Content-Length", "100")
			_, _ = rw.Write([]byte("{"))
			return true
		}, actuators.ErrTransient, "reach the node"},
	} {
		t.Run(name, func(t *testing.T) {
			w.instead(c.front)
			defer w.back()
			_, observed := w.driver.Observe(t.Context(), w.target)
			for what, err := range map[string]error{
				"Observe": observed, "Do": w.driver.Do(t.Context(), w.target, p.Steps[0]), "Undo": w.driver.Undo(t.Context(), w.target, p.Steps[0]),
			} {
				if err == nil || c.is != nil && !errors.Is(err, c.is) || c.is == nil && errors.Is(err, actuators.ErrTransient) || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%s: %v, want %v saying %q", what, err, c.is, c.says)
				}
			}
		})
	}
	w.rewrite(func(string) string { return "hello" })
	if _, err := w.driver.Observe(t.Context(), w.target); err == nil || !strings.Contains(err.Error(), "is it a memory node") {
		t.Errorf("nonsense: %v", err)
	}
	w.back()
	if _, err := w.driver.Observe(t.Context(), w.target); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// The node did what it was asked, and its answer never came: asking again does no harm.
func TestLateAndTwice(t *testing.T) {
	w := begin(t, node.Options{})
	w.with(t, policy.Size{policy.ThreadsSpreading: policy.Amount(1)})
	p := w.planned(t, policy.Size{policy.ThreadsSpreading: policy.Amount(3)})
	release := make(chan struct{})
	w.instead(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost {
			w.served.ServeHTTP(httptest.NewRecorder(), r)
			<-release
			panic(http.ErrAbortHandler)
		}
		return false
	})
	late, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := w.driver.Do(late, w.target, p.Steps[0])
	if !errors.Is(err, actuators.ErrTransient) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a late answer: %v", err)
	}
	close(release)
	w.back()
	for range 2 {
		if err := w.driver.Do(t.Context(), w.target, p.Steps[0]); err != nil {
			t.Error(err)
		}
	}
	if n := w.workers(t); n != 3 {
		t.Errorf("%d workers", n)
	}
	for range 2 {
		if err := w.driver.Undo(t.Context(), w.target, p.Steps[0]); err != nil {
			t.Error(err)
		}
	}
	if n := w.workers(t); n != 1 {
		t.Errorf("%d workers after the undo", n)
	}
}

func (w *world) workers(t *testing.T) int {
	t.Helper()
	st, err := w.client.Threading(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return st.Spreading.Workers
}

// The token is sent, read anew each time, and to nobody else.
func TestToken(t *testing.T) {
	w := begin(t, node.Options{})
	file := filepath.Join(t.TempDir(), "token")
	target := w.target
	target.Specs = map[string]any{"node": &driver.Spec{URL: w.url, TokenFile: file}}
	var seen []string
	w.instead(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/health" {
			seen = append(seen, r.Header.Get("Authorization"))
		}
		return false
	})
	if _, err := w.driver.Observe(t.Context(), target); err == nil || !strings.Contains(err.Error(), "token_file") {
		t.Errorf("without the file: %v", err)
	}
	for _, token := range []string{"", "first\n", "second # of today\n"[:7]} {
		if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := w.driver.Observe(t.Context(), target); (err == nil) != (token != "") {
			t.Errorf("%q: %v", token, err)
		}
	}
	if got := strings.Join(seen, ", "); got != "Bearer first, Bearer second" {
		t.Error(got)
	}
}

func TestCheck(t *testing.T) {
	for text, s := range map[string]*driver.Spec{
		"url is missing":         {},
		"want http://host:port":  {URL: "127.0.0.1:7432"},
		"holds a password":       {URL: "http://a:b@127.0.0.1:7432"},
		"more than the address":  {URL: "http://127.0.0.1:7432/api"},
		"go together":            {URL: "https://node:7432", CertFile: "c"},
		"are for https":          {URL: "http://node:7432", CAFile: "c"},
		"and cert_file are for ": {URL: "http://node:7432", ServerName: "n"},
		"want http://host:port ": {URL: "ftp://node"},
	} {
		if err := driver.Check(s); err == nil || !strings.Contains(err.Error()+" ", text) {
			t.Errorf("%+v: %v, want %q", s, err, text)
		}
	}
	good := &driver.Spec{URL: "https://node:7432/", CAFile: "ca", CertFile: "c", KeyFile: "k"}
	if err := driver.Check(good); err != nil || good.URL != "https://node:7432" {
		t.Errorf("%+v: %v", good, err)
	}
}

func TestKeyIsTheSameUnderEveryName(t *testing.T) {
	d := driver.New(nil)
	var keys []string
	for _, url := range []string{"http://localhost:7432", "http://127.0.0.1:7432", "http://[::1]:7432", "http://LOCALHOST:7432", "http://node", "https://node"} {
		k, err := d.Key(t.Context(), policy.Target{Specs: map[string]any{"node": &driver.Spec{URL: url}}})
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, k)
	}
	if keys[0] != keys[1] || keys[0] != keys[2] || keys[0] != keys[3] || keys[4] == keys[5] || keys[0] == keys[4] {
		t.Error(keys)
	}
}
