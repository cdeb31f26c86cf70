package replay_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/engramd/engramd/policy/replay"
	"github.com/engramd/engramd/policy/rightsize"
)

// circumstances are those under which issue 6 judges the policy.
var circumstances = replay.Options{Host: 16, Start: 4, Min: 0.1}

// recordings reads the folder that TRACES names: they are not ours, and stay outside the repository.
func recordings(t *testing.T) []replay.Trace {
	t.Helper()
	dir := os.Getenv("TRACES")
	if dir == "" {
		t.Skip("TRACES names no folder of recordings")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.csv"))
	if err != nil || len(files) == 0 {
		t.Fatalf("TRACES=%s: no recordings in it (%v)", dir, err)
	}
	var traces []replay.Trace
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		tr, err := replay.Read(f, filepath.Base(name), circumstances.Host)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		traces = append(traces, tr)
	}
	return traces
}

func run(t *testing.T, tr replay.Trace, p replay.Policy) replay.Result {
	t.Helper()
	r, err := replay.Run(tr, p, circumstances)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestTable holds the product's policy to its bounds and logs the table of docs/sizing.md.
func TestTable(t *testing.T) {
	traces := recordings(t)
	policies := []func() replay.Policy{
		func() replay.Policy { return replay.Rightsize(rightsize.CPU(circumstances.Min, circumstances.Host)) },
		func() replay.Policy { return replay.Static(circumstances.Host) },
		replay.MovingMaximum, replay.Thresholds, replay.DailyPercentile,
	}
	for i, p := range policies {
		var all []replay.Measures
		for _, tr := range traces {
			r := run(t, tr, p())
			best := replay.Optimum(tr, r, circumstances)
			t.Logf("| %s | %s | %.1f | %.3f | %.3f | %.2f | %.1f | %.0f |", r.Policy, r.Trace, r.Slack, r.Unmet, r.Over, r.ActionsPerDay, r.WeightedSlack, best.Regret)
			all = append(all, r.Measures)
		}
		m := replay.Mean(all)
		t.Logf("| %s | mean | %.1f | %.3f | %.3f | %.2f | %.1f | |", p().Name(), m.Slack, m.Unmet, m.Over, m.ActionsPerDay, m.WeightedSlack)
		if i == 0 && (m.Slack > 45 || m.Unmet > 0.5 || m.Over > 0.3 || m.ActionsPerDay > 6) {
			t.Errorf("rightsize: %+v; want slack <= 45, unmet <= 0.5, over <= 0.3, actions <= 6", m)
		}
	}
}
