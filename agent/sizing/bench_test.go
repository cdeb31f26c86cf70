package sizing_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/engramd/engramd/agent/sizing"
	"github.com/engramd/engramd/policy/compare"
)

// TestBenchCountsFromWhenARequestWasDue stalls a target for a second of ten: at a rate the stall is in the
// latencies of all that were due meanwhile.
func TestBenchCountsFromWhenARequestWasDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		b := sizing.Bench{Samples: 1, Length: 10 * time.Second, Workers: 1, Rate: 100, Request: func(context.Context) error {
			if since := time.Since(began); since >= 5*time.Second && since < 5*time.Second+10*time.Millisecond {
				time.Sleep(time.Second)
			}
			time.Sleep(time.Millisecond)
			return nil
		}}
		r, err := b.Run(t.Context())
		if err != nil || *r.P99Latency < 800 {
			t.Errorf("p99 %v ms, %v; want most of the stalled second", *r.P99Latency, err)
		}
		if *r.OpsPerSec < 99 || *r.OpsPerSec > 101 {
			t.Errorf("%v requests a second, want 100", *r.OpsPerSec)
		}
	})
}

// TestBenchIsAsLongAsItWasToBe has fewer requests than fit into a sample: what was not asked for is no throughput.
func TestBenchIsAsLongAsItWasToBe(t *testing.T) {
	for rate, want := range map[float64]float64{0.5: 0.5, 1: 1, 3: 3, 1e-300: 0.5} {
		synctest.Test(t, func(t *testing.T) {
			b := sizing.Bench{Samples: 1, Length: 2 * time.Second, Workers: 4, Rate: rate, Request: func(context.Context) error {
				time.Sleep(time.Millisecond)
				return nil
			}}
			r, err := b.Run(t.Context())
			if err != nil || *r.OpsPerSec < want*0.99 || *r.OpsPerSec > want*1.01 || *r.P99Latency > 1.1 {
				t.Errorf("at a rate of %v: %v a second, p99 %v ms, %v; want %v", rate, *r.OpsPerSec, *r.P99Latency, err, want)
			}
		})
	}
}

// TestBenchWithoutARateSendsTheNext has two workers that need 10 ms a request.
func TestBenchWithoutARateSendsTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		used := 0.0
		b := sizing.Bench{
			Samples: 3, Length: time.Second, Workers: 2,
			Request: func(context.Context) error { time.Sleep(10 * time.Millisecond); return nil },
			CPU: func(context.Context) (sizing.CPUReading, error) {
				used = time.Since(time.Unix(0, 0)).Seconds() // one core all the time
				return sizing.CPUReading{At: time.Now(), Seconds: used, Cores: 4}, nil
			},
		}
		r, err := b.Run(t.Context())
		if err != nil || *r.OpsPerSec < 195 || *r.OpsPerSec > 201 || *r.P99Latency < 9.9 || *r.P99Latency > 10.1 {
			t.Fatalf("%+v, %v", r.Result, err)
		}
		if got := *r.CPUUsage; got < 24.9 || got > 25.1 || len(r.Samples[compare.CPUUsage]) != 3 {
			t.Errorf("cpu usage %v%%, want a quarter of four cores", got)
		}
	})
}

func TestBenchTellsWhatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		broken := errors.New("broken")
		b := sizing.Bench{Samples: 2, Length: time.Second, Workers: 1, Request: func(context.Context) error {
			time.Sleep(10 * time.Millisecond)
			if n.Add(1)%10 == 0 {
				return broken
			}
			return nil
		}, CPU: func(context.Context) (sizing.CPUReading, error) { return sizing.CPUReading{}, broken }}
		r, err := b.Run(t.Context())
		if err != nil || r.Errors != 20 || r.Requests < 198 || r.Requests > 202 || r.FirstError != "broken" || r.CPUUsage != nil || r.NoCPU != "broken" {
			t.Errorf("%+v, %v", r, err)
		}
		b.Request = func(context.Context) error { time.Sleep(10 * time.Millisecond); return broken }
		if _, err := b.Run(t.Context()); !errors.Is(err, broken) {
			t.Errorf("nothing was answered: %v", err)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := b.Run(ended); !errors.Is(err, context.Canceled) {
			t.Errorf("a context that is over: %v", err)
		}
		if _, err := (sizing.Bench{}).Run(t.Context()); err == nil {
			t.Error("a benchmark of nothing ran")
		}
	})
}

// TestRequestGoesToTheHostThatItsHeaderNames as curl -H does it.
func TestRequestGoesToTheHostThatItsHeaderNames(t *testing.T) {
	host := ""
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { host = r.Host }))
	defer srv.Close()
	header := http.Header{"Host": {"shop.example"}}
	if err := sizing.HTTPRequest(srv.Client(), "GET", srv.URL, header, nil)(t.Context()); err != nil || host != "shop.example" {
		t.Errorf("the server was asked as %q, %v", host, err)
	}
}

func TestCPUFromMetricsPrefersTheNodes(t *testing.T) {
	page := ""
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(page)) }))
	defer srv.Close()
	tests := []struct {
		page           string
		cores          float64 // of the flag
		seconds, wants float64
		bad            bool
	}{
		{"process_cpu_seconds_total 7\n", 2, 7, 2, false},
		{"process_cpu_seconds_total 7\nengram_cpu_seconds_total 8\nengram_cpu_limit_cores 1.5\n", 0, 8, 1.5, false},
		{"process_cpu_seconds_total 7\n", 0, 0, 0, true},
		{"other 7\n", 2, 0, 0, true},
		{"<html>", 2, 0, 0, true},
	}
	for _, test := range tests {
		page = test.page
		r, err := sizing.CPUFromMetrics(srv.Client(), srv.URL, test.cores)(t.Context())
		if (err != nil) != test.bad || !test.bad && (r.Seconds != test.seconds || r.Cores != test.wants) {
			t.Errorf("%q: %+v, %v", test.page, r, err)
		}
	}
}
