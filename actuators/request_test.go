package actuators

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func newServer(t *testing.T, handle http.HandlerFunc) (*Executor, string) {
	t.Helper()
	srv := httptest.NewServer(handle)
	t.Cleanup(srv.Close)
	return NewExecutor(Config{}), srv.URL
}

func TestSendCarriesHeadersAndBody(t *testing.T) {
	var got http.Request
	var body bytes.Buffer
	x, url := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		got = *r
		_, _ = body.ReadFrom(r.Body)
		w.WriteHeader(http.StatusNoContent)
	})
	file := filepath.Join(t.TempDir(), "headers")
	if err := os.WriteFile(file, []byte("# secret\nAuthorization: Bearer s3cret\n\nx-team: a:b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := x.expect(t.Context(), Request{Method: "post", URL: url + "/enable", HeadersFile: file}, holdRequest("a1")); err != nil {
		t.Fatal(err)
	}
	if got.Method != "POST" || got.Header.Get("Authorization") != "Bearer s3cret" || got.Header.Get("X-Team") != "a:b" {
		t.Errorf("%s with headers %v", got.Method, got.Header)
	}
	want := `{"owner":"engramd:a1","ttl":"5m0s","reason":"engramd restarts this service to resize it"}`
	if diff := cmp.Diff(want, body.String()); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
}

func TestSendIsBounded(t *testing.T) {
	endless := func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 4096)); err != nil {
				return
			}
		}
	}
	silent := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	dripping := func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	cases := []struct {
		name   string
		handle http.HandlerFunc
		fails  bool
	}{{"endless", endless, false}, {"silent", silent, true}, {"dripping", dripping, true}}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			x, url := newServer(t, c.handle)
			began := time.Now()
			answer, err := x.expect(t.Context(), Request{URL: url, Timeout: 200 * time.Millisecond}, nil)
			if (err != nil) != c.fails || len(answer) > maxAnswer {
				t.Errorf("%d bytes, error %v", len(answer), err)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

func TestSendKeepsSecretsHome(t *testing.T) {
	elsewhere := 0
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere++ }))
	defer other.Close()
	x, url := newServer(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, http.StatusFound) })
	if _, err := x.expect(t.Context(), Request{URL: url}, nil); err == nil || !strings.Contains(err.Error(), "302") {
		t.Errorf("a redirect: %v, want an error that says 302", err)
	}
	if elsewhere != 0 {
		t.Error("the redirect was followed")
	}
	file := filepath.Join(t.TempDir(), "headers")
	if err := os.WriteFile(file, []byte("Bearer s3cret"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := x.expect(t.Context(), Request{URL: url, HeadersFile: file}, nil)
	if err == nil || strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), file+":1") {
		t.Errorf("a bad file of headers: %v, want an error that names the line and not its content", err)
	}
	_, err = x.expect(t.Context(), Request{URL: url, HeadersFile: file + ".gone"}, nil)
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file of headers: %v", err)
	}
}

func FuzzParseHeaders(f *testing.F) {
	for _, s := range []string{"A: b\n", "# x\n\n", "a b: c", ":", "Authorization: Bearer x\r\n", strings.Repeat("x", 70000)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		headers, err := parseHeaders(strings.NewReader(text), "file")
		if err != nil {
			return
		}
		for name := range headers {
			if name == "" || strings.ContainsAny(name, "\n\r") {
				t.Errorf("name %q", name)
			}
		}
	})
}

func TestParseMaintenance(t *testing.T) {
	cases := []struct {
		body  string
		want  maintenanceState
		fails bool
	}{
		{body: `{"enabled": true, "owner": "alice"}`, want: maintenanceState{on: true, owner: "alice"}},
		{body: `{"enabled": false}`},
		{body: `{"maintenance": true}`, want: maintenanceState{on: true}},
		{body: `{"mode": "maintenance", "owner": 7}`, want: maintenanceState{on: true}},
		{body: `{"status": "OK"}`},
		{body: `{"status": "melting"}`, fails: true},
		{body: `{"enabled": null}`, fails: true},
		{body: `{"enabled": null, "mode": "on"}`, want: maintenanceState{on: true}},
		{body: `{}`, fails: true},
		{body: `true`, fails: true},
		{body: `<html>`, fails: true},
		{body: ``, fails: true},
	}
	for _, c := range cases {
		got, err := parseMaintenance([]byte(c.body))
		if (err != nil) != c.fails || err == nil && got != c.want {
			t.Errorf("%s: %+v, %v", c.body, got, err)
		}
	}
}

func FuzzParseMaintenance(f *testing.F) {
	for _, s := range []string{`{"enabled": true}`, `{"mode":"on"}`, `[]`, `null`, `{"enabled":null}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if m, err := parseMaintenance(body); err != nil && m != (maintenanceState{}) {
			t.Errorf("an error and a state: %+v", m)
		}
	})
}

func TestCommand(t *testing.T) {
	if err := command(t.Context(), []string{"sh", "-c", "exit 0"}); err != nil {
		t.Error(err)
	}
	err := command(t.Context(), []string{"sh", "-c", "yes no backup | head -c 1000000; exit 3"})
	if err == nil || len(err.Error()) > 1024 || !strings.Contains(err.Error(), "no backup") {
		t.Errorf("a failing command: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := command(ctx, []string{"sh", "-c", "sleep 30 & sleep 30"}); err == nil { // the child keeps the pipe
		t.Error("a command that hangs: no error")
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %s", took)
	}
	if err := command(t.Context(), []string{"/no/such/command"}); err == nil {
		t.Error("no such command: no error")
	}
}

func TestBackedUpByFileAndCommand(t *testing.T) {
	r := &run{x: NewExecutor(Config{})}
	file := filepath.Join(t.TempDir(), "backup")
	cases := []struct {
		name  string
		b     Backup
		make  bool
		fails string
	}{
		{name: "no file", b: Backup{MaxAge: time.Hour, File: file}, fails: "no backup is known"},
		{name: "a young file", b: Backup{MaxAge: time.Hour, File: file}, make: true},
		{name: "an old file", b: Backup{MaxAge: time.Nanosecond, File: file}, fails: "make one first"},
		{name: "a command that knows one", b: Backup{Command: []string{"true"}}},
		{name: "a command that does not", b: Backup{Command: []string{"false"}}, fails: "no backup is known"},
		{name: "no source", b: Backup{MaxAge: time.Hour}, fails: "names no source"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if c.make {
				if err := os.WriteFile(file, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			err := r.backedUp(t.Context(), c.b)
			if c.fails == "" && err != nil || c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)) {
				t.Errorf("%v, want %q", err, c.fails)
			}
		})
	}
}
