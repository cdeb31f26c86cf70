package agent

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/actuators/fake"
	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/policy"
)

const (
	benchTargets = 100
	benchSignals = 5
)

// BenchmarkTick is one whole tick: the signals of 100 targets read from the embedded store (one policy
// with 5 signals, by target), evaluated, and every target decided upon.
func BenchmarkTick(b *testing.B) {
	samples := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for s := range benchSignals {
			fmt.Fprintf(w, "# TYPE signal%d gauge\n", s)
			for t := range benchTargets {
				fmt.Fprintf(w, "signal%d{target=\"t%d\"} %d\n", s, t, 40+t%20)
			}
		}
	}))
	defer samples.Close()
	d := fake.New()
	for t := range benchTargets {
		d.Add(fmt.Sprintf("t%d", t), fake.Service{Sizes: policy.Size{policy.CPU: policy.Amount(1000)}})
	}
	cfg, err := config.Parse("bench.yaml", []byte(benchConfig(samples.URL)), fakeRegistry(d))
	if err != nil {
		b.Fatal(err)
	}
	cfg.DataDir = b.TempDir()
	a, err := New(Options{
		Config: cfg, Registry: fakeRegistry(d), LockDir: filepath.Join(b.TempDir(), "locks"), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	defer a.Close()
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	}()
	due := a.loop.cfg.Policies
	awaitSamples(b, a, due)
	for b.Loop() {
		l := lookNow(ctx, a, due)
		if _, err := call(ctx, a.inbox, func() (struct{}, error) {
			a.tick(ctx, l)
			return struct{}{}, nil
		}); err != nil {
			b.Fatal(err)
		}
	}
}

// lookNow reads all signals of the policies.
func lookNow(ctx context.Context, a *Agent, due []config.Policy) look {
	l := a.look(ctx, time.Now(), field{due: due, targets: due[0].Targets}, make(chan struct{}, lookers))
	l.cfg = a.loop.cfg
	return l
}

// awaitSamples waits until every signal of every target is known.
func awaitSamples(b *testing.B, a *Agent, due []config.Policy) {
	b.Helper()
	deadline := time.After(30 * time.Second)
	retry := time.NewTicker(100 * time.Millisecond)
	defer retry.Stop()
	for {
		known := 0
		for _, signals := range lookNow(b.Context(), a, due).readings {
			for _, r := range signals {
				if r.Known {
					known++
				}
			}
		}
		if known == benchTargets*benchSignals {
			return
		}
		select {
		case <-deadline:
			b.Fatalf("%d signals are known after 30 s, want %d", known, benchTargets*benchSignals)
		case <-retry.C:
		}
	}
}

func benchConfig(url string) string {
	var y strings.Builder
	fmt.Fprintf(&y, "version: 1\nmode: auto\nlisten: {agent: \"127.0.0.1:0\"}\nmetrics:\n  interval: 1s\n  scrape: [{job: bench, url: %q}]\ntargets:\n", url)
	var names []string
	for t := range benchTargets {
		names = append(names, fmt.Sprintf("t%d", t))
		fmt.Fprintf(&y, "  - {name: t%d, fake: {service: t%[1]d}, limits: {cpu: {min: 500m, max: 8}}}\n", t)
	}
	fmt.Fprintf(&y, "policies:\n  - name: cpu\n    targets: [%s]\n    every: 1h\n    matrix:\n      signals:\n", strings.Join(names, ", "))
	var when []string
	for s := range benchSignals {
		fmt.Fprintf(&y, "        s%d: avg by (target) (avg_over_time(signal%[1]d[1m]))\n", s)
		when = append(when, fmt.Sprintf("s%d: \"< 70\"", s))
	}
	fmt.Fprintf(&y, "      rows:\n        - {when: {%s}, do: none}\n      otherwise: {do: hold, why: busy}\n", strings.Join(when, ", "))
	return y.String()
}
