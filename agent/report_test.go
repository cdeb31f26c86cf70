package agent

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/engramd/engramd/agent/sizing"
)

// A constant answers every query with one series of ones, or fails.
type constant struct{ err error }

func (c constant) QueryRange(_ context.Context, _ string, r promv1.Range, _ ...promv1.Option) (model.Value, promv1.Warnings, error) {
	s := &model.SampleStream{Metric: model.Metric{"target": "app"}}
	for at := r.Start; !at.After(r.End); at = at.Add(r.Step) {
		s.Values = append(s.Values, model.SamplePair{Timestamp: model.TimeFromUnixNano(at.UnixNano()), Value: 1})
	}
	return model.Matrix{s}, nil, c.err
}

// inReportingWorld runs an agent that reports weekly. Virtual time begins on a Saturday.
func inReportingWorld(t *testing.T, from sizing.Querier, story func(w *world)) {
	inEmptyWorld(t, "", func(w *world) {
		w.files["agent.yaml"] = "version: 1\nmetrics: {interval: 1h}\ntargets: [{name: app, fake: {service: app}}]\nreport: {every: weekly}\n"
		w.driver.Add("app", busy(1000, 0.5))
		w.prepare = func(a *Agent) { a.recorded = from }
		w.start("agent.yaml")
		story(w)
	})
}

func (w *world) reports() []string {
	found, err := filepath.Glob(filepath.Join(w.dir, "reports", "*"))
	if err != nil {
		w.t.Fatal(err)
	}
	return found
}

func TestAReportIsMadeOnMonday(t *testing.T) {
	inReportingWorld(t, constant{}, func(w *world) {
		w.pass(52 * time.Hour)
		if got := w.reports(); len(got) != 0 {
			t.Fatalf("%v before Monday at six", got)
		}
		w.pass(4 * time.Hour)
		got := w.reports()
		if len(got) != 1 || !strings.HasSuffix(got[0], "weekly-2000-01-03.json") {
			t.Fatalf("%v", got)
		}
		text, err := os.ReadFile(got[0])
		var a sizing.Analysis
		if err := errors.Join(err, json.Unmarshal(text, &a)); err != nil || len(a.Targets) != 1 || a.Targets[0].Target != "app" {
			t.Errorf("%s: %+v, %v", got[0], a, err)
		}
		w.pass(6 * 24 * time.Hour)
		if got := w.reports(); len(got) != 1 {
			t.Errorf("%v within the week", got)
		}
		w.stop()
		w.pass(3 * 24 * time.Hour) // over the next Monday
		w.start("agent.yaml")
		w.pass(3 * time.Hour)
		if got := w.reports(); len(got) != 2 {
			t.Errorf("%v: the report that was missed is made at the next start", got)
		}
	})
}

func TestAReportThatFailsIsToldAndNotRepeatedAtOnce(t *testing.T) {
	inReportingWorld(t, constant{errors.New("away")}, func(w *world) {
		w.pass(60 * time.Hour)
		if got := w.reports(); len(got) != 0 {
			t.Errorf("%v although nothing could be asked", got)
		}
		if n := strings.Count(w.trace.String(), "report was not made"); n != 1 {
			t.Errorf("told %d times, want once:\n%s", n, w.trace.String())
		}
	})
}

// TestAReportThatFailedIsMadeTheDayAfter has nobody who answers on Monday, and somebody on Tuesday.
func TestAReportThatFailedIsMadeTheDayAfter(t *testing.T) {
	from := &constant{errors.New("away")}
	inReportingWorld(t, from, func(w *world) {
		w.pass(60 * time.Hour)
		from.err = nil
		w.pass(24 * time.Hour)
		if got := w.reports(); len(got) != 1 || !strings.HasSuffix(got[0], "weekly-2000-01-04.json") {
			t.Errorf("%v, want Tuesday's", got)
		}
		w.pass(5 * 24 * time.Hour)
		if got := w.reports(); len(got) != 1 {
			t.Errorf("%v before the next Monday", got)
		}
	})
}
