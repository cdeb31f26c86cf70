package telemetry_test

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/engramd/engramd/agent/telemetry"
)

// A server is a Prometheus that holds samples, and the queries it was asked.
type server struct {
	*telemetry.Telemetry
	*httptest.Server
	queries atomic.Int64
}

func newServer(t *testing.T) *server {
	t.Helper()
	p := &server{Telemetry: open(t, telemetry.Options{Config: telemetry.Config{Interval: interval}})}
	h := p.Handler("test", nil)
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.queries.Add(1)
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(p.Server.Close)
	return p
}

func asking(t *testing.T, r telemetry.Remote) *telemetry.Telemetry {
	t.Helper()
	return open(t, telemetry.Options{Config: telemetry.Config{Interval: interval, Remote: &r}})
}

func TestRemoteAnswersLikeTheStore(t *testing.T) {
	p := newServer(t)
	put(t, p.Telemetry, metric("x", "target", "a"), time.Minute, 0, 15, 30, 45, 60)
	put(t, p.Telemetry, metric("x", "target", "b"), 4*time.Minute, 0, 15, 30, 45, 60)
	put(t, p.Telemetry, metric("big", "target", "a"), 0, 3)
	tel := asking(t, telemetry.Remote{URL: p.URL})
	now := time.Now()
	for _, tt := range []struct {
		expr   string
		want   float64
		reason string
	}{
		{`sum(x{target="a"})`, 60, ""},
		{`increase(x{target="a"}[5m]) > bool 0`, 1, ""},
		{`increase(x{target="b"}[5m])`, 0, "the newest sample of x"},
		{`x`, 0, "2 series"},
		{`none`, 0, "none has no sample"},
		{`scalar(big) * 2`, 6, ""},
		{`big / 0`, 0, "infinite"},
		{`x +`, 0, "parse"},
		{`sum(none) or 0 * sum(big)`, 0, ""},
	} {
		r := tel.Read(t.Context(), tt.expr, now)
		if r.Known != (tt.reason == "") || !strings.Contains(r.Reason, tt.reason) || r.Value != tt.want {
			t.Errorf("%s: got %+v, want %v %q", tt.expr, r, tt.want, tt.reason)
		}
	}
	by := tel.ReadBy(t.Context(), "sum by (target) (increase(x[5m]))", "target", now)
	if !telemetry.Pick(by, "a").Known || telemetry.Pick(by, "b").Known || telemetry.Pick(by, "c").Known {
		t.Errorf("by: %+v", by)
	}
	if r := tel.Mean(t.Context(), `sum(x{target="a"})`, now.Add(-time.Minute), now); !r.Known || r.Value != 37.5 {
		t.Errorf("mean: %+v", r)
	}
	if r := tel.Mean(t.Context(), `sum(x{target="b"})`, now.Add(-2*time.Minute), now); r.Known {
		t.Errorf("mean of what ended: %+v", r)
	}
	v, err := tel.Query(t.Context(), "x", now)
	if err != nil || len(v) != 2 {
		t.Errorf("query: %v, %v", v, err)
	}
}

func TestOwnMetricsAreReadHereAndMixedOnesFromBoth(t *testing.T) {
	p := newServer(t)
	put(t, p.Telemetry, metric("engramd_target_cpu_limit_cores", "target", "a"), 0, 99)
	put(t, p.Telemetry, metric("x", "target", "a"), time.Minute, 0, 15, 30, 45, 60)
	tel := asking(t, telemetry.Remote{URL: p.URL})
	put(t, tel, metric("engramd_target_cpu_limit_cores", "target", "a"), 0, 2)
	put(t, tel, metric("x", "target", "a"), 0, 99)
	now := time.Now()
	if r := tel.Read(t.Context(), "sum(engramd_target_cpu_limit_cores)", now); r.Value != 2 || p.queries.Load() != 0 {
		t.Errorf("got %+v after %d queries", r, p.queries.Load())
	}
	if r := tel.Read(t.Context(), "sum(x) / sum(engramd_target_cpu_limit_cores)", now); r.Value != 30 {
		t.Errorf("got %+v", r)
	}
	if r := tel.Read(t.Context(), "sum(increase(x[5m])) / sum(engramd_target_cpu_limit_cores) > bool 0", now); r.Value != 1 {
		t.Errorf("got %+v", r)
	}
	if r := tel.Read(t.Context(), "sum(none) / sum(engramd_target_cpu_limit_cores)", now); !strings.Contains(r.Reason, "none has no sample") {
		t.Errorf("got %+v", r)
	}
	if r := tel.Mean(t.Context(), "sum(x) / sum(engramd_target_cpu_limit_cores)", now.Add(-15*time.Second), now); r.Value != 30 {
		t.Errorf("got %+v", r)
	}
}

func TestRemoteThatMisbehavesIsUnknown(t *testing.T) {
	endless := strings.Repeat(" ", 1<<20)
	for name, tt := range map[string]struct {
		serve http.HandlerFunc
		want  string
	}{
		"500":      {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "broken", http.StatusInternalServerError) }, "500"},
		"401":      {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "", http.StatusUnauthorized) }, "401"},
		"not json": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }, "ask Prometheus at"},
		"no value": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"status":"success","data":{}}`) }, ""},
		"a string": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"status":"success","data":{"resultType":"string","result":[1,"x"]}}`)
		}, ""},
		"an error": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusUnprocessableEntity)
			fmt.Fprint(w, `{"status":"error","errorType":"execution","error":"too hard"}`)
		}, "too hard"},
		"hangs": {func(_ http.ResponseWriter, r *http.Request) { r.ParseForm(); <-r.Context().Done() }, "no answer within 1s"},
		"cut": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "99")
			fmt.Fprint(w, `{"status"`)
		}, "EOF"},
		"redirects": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/x"+r.URL.Path, http.StatusTemporaryRedirect)
		}, "redirects"},
		"endless": {func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := fmt.Fprint(w, endless); err != nil {
					return
				}
			}
		}, "larger than"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(tt.serve)
			defer srv.Close()
			defer srv.CloseClientConnections()
			timeout := time.Second
			if name == "endless" {
				timeout = 30 * time.Second
			}
			tel := asking(t, telemetry.Remote{URL: srv.URL, Timeout: timeout})
			for _, r := range []any{tel.Read(t.Context(), "x", time.Now()), tel.Mean(t.Context(), "x", time.Now().Add(-time.Minute), time.Now()),
				telemetry.Pick(tel.ReadBy(t.Context(), "x", "target", time.Now()), "a")} {
				s := fmt.Sprintf("%+v", r)
				if !strings.Contains(s, "Known:false") || strings.HasSuffix(s, "Reason:}") || !strings.Contains(s, tt.want) {
					t.Errorf("got %s, want %q", s, tt.want)
				}
			}
		})
	}
	t.Run("gone", func(t *testing.T) {
		tel := asking(t, telemetry.Remote{URL: "http://127.0.0.1:1"})
		if r := tel.Read(t.Context(), "x", time.Now()); r.Known || !strings.Contains(r.Reason, "ask Prometheus at http://127.0.0.1:1") {
			t.Errorf("got %+v", r)
		}
	})
}

func TestRemoteCredentials(t *testing.T) {
	var token, elsewhere atomic.Value
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { elsewhere.Store(r.Header.Get("Authorization")) }))
	defer other.Close()
	var away atomic.Bool
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if away.Load() {
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
			return
		}
		token.Store(r.Header.Get("Authorization"))
		fmt.Fprint(w, `{"status":"success","data":{"resultType":"matrix","result":[]}}`)
	}))
	defer srv.Close()
	dir := t.TempDir()
	ca, file := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "token")
	for path, data := range map[string][]byte{
		ca: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), file: []byte("t1\n"),
	} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tel := asking(t, telemetry.Remote{URL: srv.URL, CAFile: ca, BearerTokenFile: file})
	if r := tel.Read(t.Context(), "x", time.Now()); !strings.Contains(r.Reason, "x has no sample") || token.Load() != "Bearer t1" {
		t.Errorf("got %+v with %v", r, token.Load())
	}
	if err := os.WriteFile(file, []byte("t2"), 0o600); err != nil {
		t.Fatal(err)
	}
	tel.Read(t.Context(), "x", time.Now())
	if token.Load() != "Bearer t2" {
		t.Errorf("a rotated token is not used: %v", token.Load())
	}
	away.Store(true)
	tel.Read(t.Context(), "x", time.Now())
	if elsewhere.Load() != "" {
		t.Errorf("the token was sent elsewhere: %v", elsewhere.Load())
	}
	if err := os.Truncate(file, 0); err != nil {
		t.Fatal(err)
	}
	if r := tel.Read(t.Context(), "x", time.Now()); !strings.Contains(r.Reason, "is empty") {
		t.Errorf("got %+v", r)
	}
	plain := asking(t, telemetry.Remote{URL: srv.URL})
	if r := plain.Read(t.Context(), "x", time.Now()); !strings.Contains(r.Reason, "certificate") {
		t.Errorf("an unknown certificate: %+v", r)
	}
}
