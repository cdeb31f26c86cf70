package load_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/engramd/engramd/testenv/load"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// transport answers without a network, after a delay, in virtual time.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func after(d time.Duration, status int) transport {
	return func(r *http.Request) (*http.Response, error) {
		select {
		case <-time.After(d):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
		return &http.Response{StatusCode: status, Body: http.NoBody, Request: r}, nil
	}
}

func generator(t *testing.T, config load.Config) *load.Generator {
	t.Helper()
	if config.URL == "" {
		config.URL = "http://127.0.0.1:1/"
	}
	g, err := load.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := generator(t, load.Config{Rate: 100, Transport: after(time.Second, 200)})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { g.Run(ctx) })
		start := time.Now()
		set := func(rate float64) {
			if err := g.SetRate(rate); err != nil {
				t.Error(err)
			}
		}
		time.Sleep(10 * time.Second)
		set(0)
		time.Sleep(10 * time.Second)
		set(7)
		set(10) // the newest wins
		time.Sleep(10*time.Second - 50*time.Millisecond)
		cancel()
		running.Wait()
		r := g.Report()
		for i, want := range []int{1000, 0, 99} {
			from := start.Add(time.Duration(i) * 10 * time.Second)
			if got := r.Between(from, from.Add(10*time.Second)).Sent(); got < want-1 || got > want+1 {
				t.Errorf("in the %d. ten seconds %d requests left, want %d", i+1, got, want)
			}
		}
		if p50, ok := r.Percentile(50); p50 != time.Second || !ok || r.Lost().Sent() != 0 {
			t.Errorf("p50 = %v, %v; %v", p50, ok, r)
		}
	})
}

// TestStallIsSeen: the server stalls for 3 s. In a closed loop one request would notice; here all that were due do.
func TestStallIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		g := generator(t, load.Config{Rate: 10, MaxDuration: 10 * time.Second, Transport: transport(func(r *http.Request) (*http.Response, error) {
			if since := time.Since(start); since >= 2*time.Second && since < 5*time.Second {
				time.Sleep(5*time.Second - since)
			}
			return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
		})})
		g.Run(t.Context())
		slow := 0
		for _, s := range g.Report().Samples {
			if s.Latency() > time.Second {
				slow++
			}
		}
		if slow != 20 {
			t.Errorf("%d requests saw the stall, want 20", slow)
		}
	})
}

func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := generator(t, load.Config{Rate: 10, MaxOutstanding: 3, Timeout: time.Minute, MaxRequests: 8, Transport: after(time.Hour, 200)})
		start := time.Now()
		g.Run(t.Context())
		r := g.Report()
		if r.Count(load.Saturated) != 5 || r.Count(load.Timeout) != 3 || r.Sent() != 8 {
			t.Errorf("%v", r)
		}
		if took := time.Since(start); took > 2*time.Minute {
			t.Errorf("a run with a deadline of 1 min a request took %v", took)
		}
	})
}

func TestOutside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		down, up := start.Add(2*time.Second), start.Add(4*time.Second)
		g := generator(t, load.Config{Rate: 10, MaxDuration: 6 * time.Second, Transport: transport(func(r *http.Request) (*http.Response, error) {
			status := 200
			if now := time.Now(); !now.Before(down) && now.Before(up) {
				status = 503
			}
			return &http.Response{StatusCode: status, Body: http.NoBody}, nil
		})})
		g.Run(t.Context())
		r := g.Report()
		if lost := r.Outside(down, up).Lost(); lost.Sent() != 0 {
			t.Errorf("outside: %v", lost)
		}
		if got := r.Between(down, up).Count(load.Unavailable); got != 20 {
			t.Errorf("inside: %v", r.Between(down, up))
		}
		if lost := r.Outside(down, up.Add(-time.Second)).Lost(); lost.Sent() != 10 {
			t.Errorf("a window that is too short hides losses: %v", lost)
		}
	})
}

// TestInFlightCountsAsOutside: what left before the service went away was its to finish, unless it was turned away.
func TestInFlightCountsAsOutside(t *testing.T) {
	at := func(ms int) time.Time { return time.UnixMilli(int64(1_000_000 + ms)) }
	from, to := at(100), at(200)
	for _, tt := range []struct {
		name       string
		sent, done int
		kind       load.Kind
		outside    bool
	}{
		{"before", 50, 60, load.OK, true},
		{"taken before, broken inside", 99, 150, load.Reset, true},
		{"left before, refused by maintenance", 99, 101, load.Unavailable, false},
		{"left before, nobody listened", 99, 101, load.Refused, false},
		{"inside", 100, 101, load.Timeout, false},
		{"left inside, known after", 199, 201, load.Unavailable, false},
		{"after", 200, 201, load.Unavailable, true},
	} {
		r := load.Report{Samples: []load.Sample{{Due: at(tt.sent), Sent: at(tt.sent), Done: at(tt.done), Kind: tt.kind}}}
		if got := r.Outside(from, to).Sent() == 1; got != tt.outside {
			t.Errorf("%s: outside = %v", tt.name, got)
		}
		if got := r.Between(from, to).Sent() == 0; got != tt.outside {
			t.Errorf("%s: between = %v", tt.name, !got)
		}
	}
}

// TestKinds makes each kind of failure on a real connection.
func TestKinds(t *testing.T) {
	const closed = "127.0.0.1:1" // one of the kernel's choice might be given to the next server
	broken := func(partial string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(conn, partial)
			conn.(*net.TCPConn).SetLinger(0)
			conn.Close()
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/redirect", http.RedirectHandler("http://192.0.2.1/", http.StatusFound).ServeHTTP)
	mux.HandleFunc("/503", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })
	mux.HandleFunc("/500", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	mux.HandleFunc("/hang", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/reset", broken(""))
	mux.HandleFunc("/cut", broken("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"))
	server := httptest.NewServer(mux)
	defer server.Close()
	for _, tt := range []struct {
		url  string
		want load.Kind
	}{
		{"http://" + closed, load.Refused},
		{server.URL + "/ok", load.OK},
		{server.URL + "/redirect", load.OK},
		{server.URL + "/503", load.Unavailable},
		{server.URL + "/500", load.Status},
		{server.URL + "/hang", load.Timeout},
		{server.URL + "/reset", load.Reset},
		{server.URL + "/cut", load.Reset},
	} {
		for _, fresh := range []bool{false, true} {
			g := generator(t, load.Config{
				URL: tt.url, Method: "POST", Rate: 100, MaxRequests: 5, Timeout: 500 * time.Millisecond, FreshConnections: fresh,
			})
			g.Run(t.Context())
			if r := g.Report(); r.Count(tt.want) != 5 {
				t.Errorf("%s: %v, want %v", tt.url, r, tt.want)
			}
		}
	}
}

func TestLoopbackOnly(t *testing.T) {
	for _, url := range []string{"http://192.0.2.1/", "http://example.com/", "https://127.0.0.1/", "http://", "://", "http://[fe80::1]/"} {
		if _, err := load.New(load.Config{URL: url}); err == nil {
			t.Errorf("%q is accepted", url)
		}
	}
	for _, url := range []string{"http://localhost:1/", "http://[::1]:1/", "http://127.9.9.9/x?y=z"} {
		if _, err := load.New(load.Config{URL: url}); err != nil {
			t.Errorf("%q: %v", url, err)
		}
	}
	if _, err := load.New(load.Config{URL: "http://10.0.0.1/"}); !errors.Is(err, load.ErrNotLoopback) {
		t.Errorf("another host: %v", err)
	}
	g := generator(t, load.Config{})
	if g.SetRate(-1) == nil || g.SetRate(1e9) == nil {
		t.Error("a senseless rate is accepted")
	}
}

// TestRealRate keeps a rate against a real server, well enough to call it kept.
func TestRealRate(t *testing.T) {
	var served atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served.Add(1) }))
	defer server.Close()
	g := generator(t, load.Config{URL: server.URL, Rate: 200, MaxDuration: time.Second})
	g.Run(t.Context())
	r := g.Report()
	if r.Sent() < 150 || r.Sent() > 201 || int(served.Load()) != r.Sent() || r.Lost().Sent() > 0 {
		t.Errorf("%v; served %d", r, served.Load())
	}
	var csv strings.Builder
	if err := r.WriteCSV(&csv); err != nil || strings.Count(csv.String(), "\n") != r.Sent()+1 {
		t.Errorf("CSV of %d bytes, %v", csv.Len(), err)
	}
	t.Log(r)
}
