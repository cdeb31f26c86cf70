package telemetry_test

import (
	"compress/gzip"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/engramd/engramd/agent/telemetry"
)

// known waits until expr is known and returns its value.
func known(t *testing.T, tel *telemetry.Telemetry, expr string) float64 {
	t.Helper()
	var v float64
	eventually(t, func() error {
		r := tel.Read(t.Context(), expr, time.Now())
		if !r.Known {
			return fmt.Errorf("%s: %s", expr, r.Reason)
		}
		v = r.Value
		return nil
	})
	return v
}

// Each of these endpoints must end as up = 0, in bounded memory, without holding up the others.
func TestHostileEndpoints(t *testing.T) {
	endless := func(w http.ResponseWriter, r *http.Request, line string) {
		chunk := []byte(strings.Repeat(line, 1+(64<<10)/len(line)))
		for r.Context().Err() == nil {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}
	var n atomic.Int64
	tests := map[string]struct {
		serve http.HandlerFunc
		why   string // in the log
	}{
		"500":   {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "broken", http.StatusInternalServerError) }, "500"},
		"hangs": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "deadline exceeded"},
		"hangs in the body": {func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "x 1\n")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, "deadline exceeded"},
		"endless garbage": {func(w http.ResponseWriter, r *http.Request) { endless(w, r, "\x00\xff{{{garbage") }, "body size limit exceeded"},
		"endless samples": {func(w http.ResponseWriter, r *http.Request) { endless(w, r, "x 1\n") }, "body size limit exceeded"},
		"a bomb": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			zeros := make([]byte, 1<<20)
			for r.Context().Err() == nil {
				if _, err := z.Write(zeros); err != nil {
					return
				}
			}
		}, "body size limit exceeded"},
		"too many samples": {func(w http.ResponseWriter, _ *http.Request) {
			for i := range 200 {
				fmt.Fprintf(w, "x{i=\"%d\"} 1\n", i)
			}
		}, "sample limit exceeded"},
		"too many labels": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "x{")
			for i := range 100 {
				fmt.Fprintf(w, "l%d=\"1\",", i)
			}
			fmt.Fprint(w, "} 1\n")
		}, "label_limit exceeded"},
		"a long value": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, "x{l=%q} 1\n", strings.Repeat("v", 5000)) }, "label_value_length_limit exceeded"},
		"garbage":      {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>no metrics</html>") }, "expected"},
		"a bad number": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "x 1\ny 1,5\n") }, "strconv"},
		"cuts the line": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "x 1\n")
		}, "EOF"},
		"redirects in a circle": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, fmt.Sprint("/", n.Add(1)), http.StatusFound)
		}, "10 redirects"},
	}
	good := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "x 1\n") }))
	defer good.Close()
	// Long enough for a busy machine; only those that hang are not waited for.
	c := telemetry.Config{Interval: 3 * time.Second, Scrapes: []telemetry.Scrape{{Job: "good", URL: good.URL, Target: "good"}}}
	for name, tt := range tests {
		srv := httptest.NewServer(tt.serve)
		defer srv.Close()
		defer srv.CloseClientConnections()
		s := telemetry.Scrape{Job: "bad", URL: srv.URL, Target: name, BodyLimit: 1 << 20, SampleLimit: 100}
		if strings.HasPrefix(name, "hangs") {
			s.Timeout = 150 * time.Millisecond
		}
		c.Scrapes = append(c.Scrapes, s)
	}
	c.Scrapes = append(c.Scrapes, telemetry.Scrape{Job: "bad", URL: "http://127.0.0.1:1/", Target: "nobody there"})
	b, reg := &book{}, prometheus.NewRegistry()
	tel := start(t, telemetry.Options{Registry: reg, Log: b.log(), Config: c})
	for name, tt := range tests {
		if up := known(t, tel, fmt.Sprintf(`up{target=%q}`, name)); up != 0 {
			t.Errorf("%s: up %v", name, up)
		}
		if r := tel.Read(t.Context(), fmt.Sprintf(`x{target=%q}`, name), time.Now()); r.Known {
			t.Errorf("%s: %+v", name, r)
		}
		eventually(t, func() error {
			said := fmt.Sprintf("target=%q", name)
			if !strings.ContainsAny(name, " ") {
				said = "target=" + name
			}
			for line := range strings.Lines(b.text()) {
				if strings.Contains(line, said) && strings.Contains(line, "scrape failed") {
					if !strings.Contains(line, tt.why) {
						t.Errorf("%s: no %q in %s", name, tt.why, line)
					}
					return nil
				}
			}
			return fmt.Errorf("%s: no line says %q", name, tt.why)
		})
	}
	if up := known(t, tel, `up{target="nobody there"}`); up != 0 {
		t.Errorf("nobody there: up %v", up)
	}
	if v := known(t, tel, `x{target="good"} * on (target) up`); v != 1 {
		t.Errorf("the good one: %v", v)
	}
	endpoints := tel.Endpoints()
	if len(endpoints) != len(c.Scrapes) {
		t.Fatalf("%d endpoints, want %d", len(endpoints), len(c.Scrapes))
	}
	for i, e := range endpoints {
		good := e.Target == "good"
		if e.Target != c.Scrapes[i].Target || e.LastAt.IsZero() || (e.Err == nil) != good || !good && !strings.Contains(e.Err.Error(), tests[e.Target].why) {
			t.Errorf("endpoint %d: %+v, want %s", i, e, c.Scrapes[i].Target)
		}
	}
	eventually(t, func() error {
		if n := counter(t, reg, "engramd_scrape_failures_total"); n < float64(len(tests)+1) {
			return fmt.Errorf("%v failures counted", n)
		}
		return nil
	})
	if n := b.count(`msg="scrape failed`); n != len(tests)+1 {
		t.Errorf("said %d times, want once for each of %d", n, len(tests)+1)
	}
	if n := b.count("level=WARN"); n != len(tests)+1 {
		t.Errorf("%d warnings, want %d: %s", n, len(tests)+1, b.text())
	}
	var mem runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&mem)
	if mem.HeapAlloc > 150<<20 {
		t.Errorf("%d MB are held", mem.HeapAlloc>>20)
	}
}

func (b *book) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lines.String()
}

func TestScrapeThatComesAndGoes(t *testing.T) {
	var down atomic.Bool
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if down.Load() {
			http.Error(w, "", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(w, "x 1\n")
	}))
	defer srv.Close()
	b := &book{}
	tel := start(t, telemetry.Options{Log: b.log(), Config: telemetry.Config{Interval: 100 * time.Millisecond,
		Scrapes: []telemetry.Scrape{{Job: "app", URL: srv.URL + "/metrics?token=secret", Target: "a"}}}})
	known(t, tel, "x")
	down.Store(true)
	eventually(t, func() error {
		if r := tel.Read(t.Context(), "x", time.Now()); r.Known {
			return fmt.Errorf("still known: %+v", r)
		}
		if b.count("scrape failed") != 1 {
			return fmt.Errorf("said %d times", b.count("scrape failed"))
		}
		return nil
	})
	down.Store(false)
	known(t, tel, "x")
	eventually(t, func() error {
		if b.count("answers again") != 1 {
			return fmt.Errorf("said %d times", b.count("answers again"))
		}
		return nil
	})
	if b.count("secret") != 0 {
		t.Error("the log shows the token")
	}
}

func TestCredentialsOfScrapes(t *testing.T) {
	var seen atomic.Pointer[http.Header]
	var stolen atomic.Bool
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stolen.Store(true) }))
	defer thief.Close()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/away" {
			http.Redirect(w, r, thief.URL, http.StatusFound)
			return
		}
		h := r.Header.Clone()
		seen.Store(&h)
		fmt.Fprint(w, "x 1\n")
	}))
	defer srv.Close()
	dir := t.TempDir()
	token, headers := filepath.Join(dir, "token"), filepath.Join(dir, "headers")
	for path, text := range map[string]string{token: "t1\n", headers: "# for the proxy\nX-Scope: a\n\nX-Scope: b\nX-Empty:\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tel := start(t, telemetry.Options{Config: telemetry.Config{Interval: 100 * time.Millisecond, Scrapes: []telemetry.Scrape{
		{Job: "app", URL: srv.URL + "/", Target: "a", BearerTokenFile: token, HeadersFile: headers},
		{Job: "app", URL: srv.URL + "/away", Target: "b", BearerTokenFile: token},
	}}})
	known(t, tel, "x")
	h := *seen.Load()
	if h.Get("Authorization") != "Bearer t1" || strings.Join(h.Values("X-Scope"), ",") != "a,b" {
		t.Errorf("sent %v", h)
	}
	if err := os.WriteFile(token, []byte("t2"), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		if got := seen.Load().Get("Authorization"); got != "Bearer t2" {
			return fmt.Errorf("a rotated token is not used: %s", got)
		}
		return nil
	})
	if known(t, tel, `up{target="b"}`) != 0 || stolen.Load() {
		t.Error("a redirect was followed with credentials")
	}
}

func TestReloadSwapsScrapesAndTargets(t *testing.T) {
	page := func(text string) *httptest.Server {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }))
		t.Cleanup(srv.Close)
		return srv
	}
	one, two := page("one 1\n"), page("two 2\n")
	const every = 100 * time.Millisecond
	tel := start(t, telemetry.Options{Config: telemetry.Config{Interval: every,
		Scrapes: []telemetry.Scrape{{Job: "app", URL: one.URL, Target: "a"}},
		Targets: []telemetry.Target{{Name: "a", Observe: itself}}}})
	known(t, tel, "one")
	known(t, tel, `engramd_target_up{target="a"}`)
	if err := tel.Reload(telemetry.Config{Interval: every,
		Scrapes: []telemetry.Scrape{{Job: "app", URL: two.URL, Target: "b"}},
		Targets: []telemetry.Target{{Name: "b", Observe: itself}}}); err != nil {
		t.Fatal(err)
	}
	known(t, tel, "two")
	known(t, tel, `engramd_target_up{target="b"}`)
	eventually(t, func() error {
		for _, expr := range []string{"one", `engramd_target_up{target="a"}`} {
			if r := tel.Read(t.Context(), expr, time.Now()); r.Known {
				return fmt.Errorf("%s is still known", expr)
			}
		}
		return nil
	})
	if err := tel.Reload(telemetry.Config{Interval: every}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		if r := tel.Read(t.Context(), "two", time.Now()); r.Known {
			return fmt.Errorf("two is still known")
		}
		return nil
	})
	if err := tel.Reload(telemetry.Config{Interval: every, Scrapes: []telemetry.Scrape{{Job: "app", URL: one.URL, Target: "a"}}}); err != nil {
		t.Fatal(err)
	}
	known(t, tel, "one")
}

// An endpoint with other series at each scrape would fill the memory for hours.
func TestEndpointWithEverNewSeries(t *testing.T) {
	var n atomic.Int64
	bad := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for range 40 {
			fmt.Fprintf(w, "y{i=\"%d\"} 1\n", n.Add(1))
		}
	}))
	defer bad.Close()
	var page atomic.Pointer[string]
	text := "x 1\n"
	page.Store(&text)
	good := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, *page.Load()) }))
	defer good.Close()
	b, reg := &book{}, prometheus.NewRegistry()
	tel := open(t, telemetry.Options{Registry: reg, Log: b.log(), Config: telemetry.Config{Interval: 100 * time.Millisecond, Scrapes: []telemetry.Scrape{
		{Job: "good", URL: good.URL, Target: "good"}, {Job: "bad", URL: bad.URL, Target: "bad"},
	}}})
	tel.SetSeriesLimits(100_000, 100)
	run(t, tel)
	known(t, tel, "x")
	eventually(t, func() error {
		if r := tel.Read(t.Context(), `up{target="bad"}`, time.Now()); !r.Known || r.Value != 0 {
			return fmt.Errorf("up: %+v", r)
		}
		return nil
	})
	more := "x 1\nz 1\n"
	page.Store(&more)
	known(t, tel, "x + z")
	eventually(t, func() error {
		if b.count("too many series") == 0 || counter(t, reg, "engramd_store_samples_dropped_total", "reason", "too_many_series") == 0 {
			return fmt.Errorf("it is not said")
		}
		return nil
	})
	tel.SetSeriesLimits(0, 0)
	most := "x 1\nz 1\nw 1\n"
	page.Store(&most)
	eventually(t, func() error {
		if r := tel.Read(t.Context(), `up{target="good"}`, time.Now()); !r.Known || r.Value != 0 {
			return fmt.Errorf("a full store takes new series: %+v", r)
		}
		return nil
	})
	page.Store(&more)
	known(t, tel, "x + z")
}

func FuzzHeaders(f *testing.F) {
	f.Add([]byte("A: b\n# c\nD:e\r\n"))
	f.Add([]byte(":\n\x00: x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := telemetry.ParseHeaders(data)
		if err != nil {
			return
		}
		for name, values := range h {
			for _, v := range values {
				if strings.ContainsAny(name+v, "\r\n\x00") {
					t.Errorf("%q: %q", name, v)
				}
			}
		}
	})
}
