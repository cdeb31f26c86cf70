package load

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// A Report is what became of the requests of a run, or of a part of it.
type Report struct {
	From, To time.Time
	Samples  []Sample // by the time they were due
}

func newReport(from, to time.Time, samples []Sample) Report {
	samples = slices.Clone(samples)
	slices.SortStableFunc(samples, func(a, b Sample) int { return a.Due.Compare(b.Due) })
	return Report{From: from, To: to, Samples: samples}
}

// Between keeps the requests of [from, to): those that left then, and those that the service turned away then (503 or
// nobody listening), although they had left a moment before.
func (r Report) Between(from, to time.Time) Report {
	return Report{From: from, To: to, Samples: r.filter(func(s Sample) bool { return s.within(from, to) })}
}

// Outside keeps the other requests: nothing of them may be lost when the service was away in [from, to) only. A request
// that the service had taken before, and lost in that time, is among them.
func (r Report) Outside(from, to time.Time) Report {
	return Report{From: r.From, To: r.To, Samples: r.filter(func(s Sample) bool { return !s.within(from, to) })}
}

// Lost keeps the requests that were not answered well.
func (r Report) Lost() Report {
	return Report{From: r.From, To: r.To, Samples: r.filter(func(s Sample) bool { return s.Kind != OK })}
}

func (r Report) filter(keep func(Sample) bool) []Sample {
	var kept []Sample
	for _, s := range r.Samples {
		if keep(s) {
			kept = append(kept, s)
		}
	}
	return kept
}

// Sent is the number of requests whose outcome is known.
func (r Report) Sent() int { return len(r.Samples) }

// Count is the number of requests that ended in a given way.
func (r Report) Count(kind Kind) int {
	return len(r.filter(func(s Sample) bool { return s.Kind == kind }))
}

// Percentile returns the latency that p per cent of the answered requests stayed below or at; ok is false without any.
func (r Report) Percentile(p float64) (latency time.Duration, ok bool) {
	var all []time.Duration
	for _, s := range r.Samples {
		if s.Kind == OK {
			all = append(all, s.Latency())
		}
	}
	if len(all) == 0 {
		return 0, false
	}
	slices.Sort(all)
	at := int(float64(len(all)) * p / 100)
	return all[min(at, len(all)-1)], true
}

// Rate is the number of requests a second.
func (r Report) Rate() float64 {
	return float64(len(r.Samples)) / r.To.Sub(r.From).Seconds()
}

// String sums the report up in one line.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d requests in %.1f s", r.Sent(), r.To.Sub(r.From).Seconds())
	for kind := range Kind(len(kindNames)) {
		if n := r.Count(kind); n > 0 {
			fmt.Fprintf(&b, ", %d %s", n, kind)
		}
	}
	for _, p := range []float64{50, 99} {
		if latency, ok := r.Percentile(p); ok {
			fmt.Fprintf(&b, ", p%.0f %v", p, latency.Round(10*time.Microsecond))
		}
	}
	return b.String()
}

// WriteCSV writes one line a request, for an artifact: when it was due, how late it left, its latency, its outcome.
func (r Report) WriteCSV(w io.Writer) error {
	c := csv.NewWriter(w)
	_ = c.Write([]string{"due", "late_ms", "latency_ms", "outcome"}) // Flush keeps the first error
	for _, s := range r.Samples {
		_ = c.Write([]string{s.Due.Format(time.RFC3339Nano), millis(s.Sent.Sub(s.Due)), millis(s.Latency()), s.Kind.String()})
	}
	c.Flush()
	return c.Error()
}

func millis(d time.Duration) string { return fmt.Sprintf("%.3f", float64(d)/1e6) }
