package sizing_test

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"os"
	"testing"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/fake"
	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/agent/sizing"
	"github.com/engramd/engramd/policy/replay"
)

func trace(cores ...float64) replay.Trace {
	t := replay.Trace{Name: "steps", Start: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)}
	for _, c := range cores {
		for range 30 {
			t.Demand = append(t.Demand, c)
		}
	}
	return t
}

func score(t *testing.T, c sizing.Contestant, tr replay.Trace, o replay.Options) sizing.Score {
	t.Helper()
	s, err := sizing.Replay(t.Context(), tr, c, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestTheGuidesMatrixTakesTheMaximumAndNeverShrinks: above 85% its last row takes all there is, and no row gives any back.
func TestTheGuidesMatrixTakesTheMaximumAndNeverShrinks(t *testing.T) {
	c, err := sizing.Guide()
	if err != nil {
		t.Fatal(err)
	}
	s := score(t, c, trace(1, 3.8, 0.2), replay.Options{Host: 16, Start: 4, Min: 0.1})
	if len(s.Result.Actions) != 1 || s.Result.Actions[0].To != 16 || s.Policy != "guide" {
		t.Errorf("%+v", s.Result.Actions)
	}
	if at := s.Result.Actions[0].Minute; at < 30 || at > 33 {
		t.Errorf("it acted in minute %d, want soon after the demand rose in minute 30", at)
	}
}

const stepping = `version: 1
targets:
  - name: app
    fake: {service: app}
    limits: {cpu: {min: 1, max: 6}}
    safety: {cooldown: {up: 5m, down: 20m}}
policies:
  - name: steps
    target: app
    matrix:
      signals:
        cpu: 100 * sum(rate(engramd_target_cpu_seconds_total{target="$target"}[1m])) / max(engramd_target_cpu_limit_cores{target="$target"})
      rows:
        - {when: {cpu: "< 20"}, for: 2m, do: scale, change: {cpu: {by: x0.5}}}
        - {when: {cpu: "20..80"}, do: none}
        - {when: {cpu: ">= 80"}, for: 1m, do: scale, change: {cpu: {by: "1"}}}
  - {name: follows, target: app, rightsize: {resources: [cpu], margin: 30%}}
`

func faked() actuators.Registry {
	return actuators.Registry{fake.Name: {
		NewSpec: func() any { return &fake.Spec{} },
		Check:   func(any) error { return nil },
		Open:    func(*slog.Logger) (actuators.Driver, error) { return fake.New(), nil },
	}}
}

// TestOnesOwnMatrixIsUnderItsTargetsLimits grows by one core every five minutes up to the target's maximum, and halves down to its minimum.
func TestOnesOwnMatrixIsUnderItsTargetsLimits(t *testing.T) {
	cfg, err := config.Parse("agent.yaml", []byte(stepping), faked())
	if err != nil {
		t.Fatal(err)
	}
	c, ok := sizing.Configured(cfg, "steps")
	if !ok {
		t.Fatal("there is no policy steps")
	}
	s := score(t, c, trace(8, 0.1, 0.1), replay.Options{Host: 16, Start: 4, Min: 0.1})
	var sizes []float64
	for i, a := range s.Result.Actions {
		sizes = append(sizes, a.To)
		if i > 0 && a.Minute-s.Result.Actions[i-1].Minute < 5 {
			t.Errorf("minutes %d and %d: cooldown is 5m", s.Result.Actions[i-1].Minute, a.Minute)
		}
	}
	if len(sizes) != 5 || sizes[0] != 5 || sizes[1] != 6 || sizes[2] != 3 || sizes[3] != 1.5 || sizes[4] != 1 {
		t.Errorf("sizes %v, want 5, 6, then 3, 1.5 and 1", sizes)
	}
	if _, ok := sizing.Configured(cfg, "other"); ok {
		t.Error("found a policy that is not there")
	}
	c, _ = sizing.Configured(cfg, "follows")
	s = score(t, c, trace(0.5, 0.5, 0.5, 0.5), replay.Options{Host: 16, Start: 4, Min: 0.1})
	if last := s.Result.Limits[len(s.Result.Limits)-1]; last != 1 {
		t.Errorf("%v cores, want the target's minimum of 1", last)
	}
}

func TestRecordedHoldsDemandOverGaps(t *testing.T) {
	q := past(func(query string, at time.Time) float64 {
		switch {
		case at.Before(now.Add(-20 * time.Minute)):
			return math.NaN()
		case at.Minute()%10 == 5:
			return math.NaN()
		}
		return float64(at.Minute())
	})
	tr, err := sizing.Recorded(t.Context(), q, "web", sizing.CPUDemand("web"), now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if len(tr.Demand) != 21 || tr.Demand[5] != 44 || tr.Demand[6] != 46 || len(tr.Notes) != 1 || !tr.Start.Equal(now.Add(-20*time.Minute)) {
		t.Errorf("%d minutes from %v: %v, %v", len(tr.Demand), tr.Start, tr.Demand, tr.Notes)
	}
	never := past(func(string, time.Time) float64 { return math.NaN() })
	if _, err := sizing.Recorded(t.Context(), never, "web", "x", now, time.Hour); err == nil {
		t.Error("nothing was recorded, and no error")
	}
	if _, err := sizing.Recorded(t.Context(), q, "web", "x", now, time.Minute); err == nil {
		t.Error("a period of a minute was taken")
	}
}

// TestAReplayThatIsStoppedEndsAtOnce leaves none of the store that a matrix is replayed over.
func TestAReplayThatIsStoppedEndsAtOnce(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	c, err := sizing.Guide()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := sizing.Replay(ctx, trace(1, 2, 3), c, replay.Options{Host: 16, Start: 4, Min: 0.1}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
