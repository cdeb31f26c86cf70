package sizing

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/engramd/engramd/policy/compare"
)

// A Bench loads something for a while, in equally long samples.
type Bench struct {
	Samples int
	Length  time.Duration // of one sample
	Warmup  time.Duration // before the first
	Workers int           // requests at once at most
	// Rate is how many requests are due a second: their latency counts from when they were due, so that
	// a target that stalls does not hide it. 0 sends the next when the last was answered.
	Rate float64
	// Request does one request.
	Request func(ctx context.Context) error
	// CPU reads how much CPU the target has used so far; nil, or an error, leaves cpu_usage out.
	CPU func(ctx context.Context) (CPUReading, error)
	// Told is called after each sample, if it is not nil.
	Told func(n int, opsPerSec, p99 float64)
}

// A CPUReading is how many seconds of CPU were used up to a moment, and how many cores may be used.
type CPUReading struct {
	At      time.Time
	Seconds float64
	Cores   float64
}

// since is the use since an earlier reading in per cent of the cores, false if the two do not tell.
func (c CPUReading) since(before CPUReading) (float64, bool) {
	d := c.At.Sub(before.At).Seconds()
	if d <= 0 || c.Cores <= 0 || c.Seconds < before.Seconds {
		return 0, false
	}
	return 100 * (c.Seconds - before.Seconds) / d / c.Cores, true
}

// A BenchResult is what engramd compare reads, and how many requests failed.
type BenchResult struct {
	compare.Result
	Requests int64 `json:"requests"`
	Errors   int64 `json:"errors"`
	// FirstError is one of them, and NoCPU why cpu_usage is missing.
	FirstError string `json:"first_error,omitempty"`
	NoCPU      string `json:"no_cpu_usage,omitempty"`
}

// maxRequests bounds the latencies of one sample that are kept.
const maxRequests = 10_000_000

// Validate reports what no benchmark can be.
func (b Bench) Validate() error {
	if b.Samples < 1 || b.Length <= 0 || b.Warmup < 0 || b.Workers < 1 || b.Rate < 0 || math.IsInf(b.Rate, 0) || math.IsNaN(b.Rate) {
		return errors.New("a benchmark wants a sample at least, some time for each, a worker at least, and a rate and a warm-up of 0 or more")
	}
	return nil
}

// Run loads the target. A target that answers nothing is an error, after the first sample.
func (b Bench) Run(ctx context.Context) (BenchResult, error) {
	if err := b.Validate(); err != nil {
		return BenchResult{}, err
	}
	var out BenchResult
	samples := map[string][]float64{}
	if b.Warmup > 0 {
		b.sample(ctx, b.Warmup)
	}
	for n := range b.Samples {
		before, errBefore := b.cpu(ctx)
		s := b.sample(ctx, b.Length)
		after, errAfter := b.cpu(ctx)
		if err := ctx.Err(); err != nil {
			return out, err
		}
		out.Requests += int64(len(s.latencies)) + s.errors
		out.Errors += s.errors
		if s.first != nil && out.FirstError == "" {
			out.FirstError = s.first.Error()
		}
		if len(s.latencies) == 0 {
			return out, fmt.Errorf("no request succeeded in %s: %w", b.Length, orNothing(s.first))
		}
		slices.Sort(s.latencies)
		ops, p99 := float64(len(s.latencies))/s.took.Seconds(), quantile(s.latencies, 0.99)*1000
		samples[compare.OpsPerSec] = append(samples[compare.OpsPerSec], ops)
		samples[compare.P99Latency] = append(samples[compare.P99Latency], p99)
		if err := cmp.Or(errBefore, errAfter); err != nil {
			out.NoCPU = err.Error()
		} else if used, ok := after.since(before); ok {
			samples[compare.CPUUsage] = append(samples[compare.CPUUsage], used)
		} else {
			out.NoCPU = "the target's CPU was not measured anew within a sample: take longer ones"
		}
		if b.Told != nil {
			b.Told(n+1, ops, p99)
		}
	}
	if len(samples[compare.CPUUsage]) < b.Samples { // some would be compared with others of other times
		delete(samples, compare.CPUUsage)
	}
	out.Result = compare.NewResult(samples)
	return out, nil
}

func orNothing(err error) error {
	if err == nil {
		return errors.New("nothing was answered in time")
	}
	return err
}

var errNoCPU = errors.New("nobody says how much CPU the target uses: give --target or --metrics")

func (b Bench) cpu(ctx context.Context) (CPUReading, error) {
	if b.CPU == nil {
		return CPUReading{}, errNoCPU
	}
	return b.CPU(ctx)
}

// A benchSample is what one stretch of load brought.
type benchSample struct {
	latencies []float64 // seconds, of what succeeded
	errors    int64
	first     error
	took      time.Duration
}

// sample loads for d. Requests under way at its end are waited for and count.
func (b Bench) sample(ctx context.Context, d time.Duration) benchSample {
	ending, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	began := time.Now()
	due := b.schedule(ending, began)
	parts := make([]benchSample, b.Workers)
	var workers sync.WaitGroup
	for i := range parts {
		workers.Go(func() { parts[i] = b.work(ctx, due) })
	}
	workers.Wait()
	all := benchSample{took: time.Since(began)}
	for _, p := range parts {
		all.latencies = append(all.latencies, p.latencies...)
		all.errors += p.errors
		if all.first == nil {
			all.first = p.first
		}
	}
	return all
}

// schedule returns the times at which requests are due, until ctx ends. Without a rate one is due whenever
// somebody asks.
func (b Bench) schedule(ctx context.Context, began time.Time) func() (time.Time, bool) {
	if b.Rate == 0 {
		return func() (time.Time, bool) { return time.Now(), ctx.Err() == nil }
	}
	var mu sync.Mutex
	sent := 0
	return func() (time.Time, bool) {
		mu.Lock()
		after := float64(sent) / b.Rate // seconds
		sent++
		mu.Unlock()
		if deadline, _ := ctx.Deadline(); after >= deadline.Sub(began).Seconds() {
			<-ctx.Done() // a sample is as long as it was to be
			return began, false
		}
		at := began.Add(time.Duration(after * float64(time.Second)))
		wait := time.NewTimer(time.Until(at))
		defer wait.Stop()
		select {
		case <-wait.C:
			return at, true
		case <-ctx.Done():
			return at, false
		}
	}
}

func (b Bench) work(ctx context.Context, due func() (time.Time, bool)) benchSample {
	var s benchSample
	for len(s.latencies) < maxRequests {
		at, more := due()
		if !more || ctx.Err() != nil {
			break
		}
		if err := b.Request(ctx); err != nil {
			s.errors++
			if s.first == nil {
				s.first = err
			}
			continue
		}
		s.latencies = append(s.latencies, time.Since(at).Seconds())
	}
	return s
}
