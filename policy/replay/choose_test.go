package replay_test

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/engramd/engramd/policy/replay"
	"github.com/engramd/engramd/policy/rightsize"
)

// A choice is one setting of the options that were chosen by measurement, and its measures by trace.
type choice struct {
	name string
	got  []replay.Measures
}

// fits leaves room below the bounds for recordings that were not seen.
func fits(m replay.Measures) bool { return m.Unmet <= 0.45 && m.Over <= 0.27 && m.ActionsPerDay <= 5.5 }

// TestLeaveOneOut chooses the options on all traces but one, and judges them by that one. It takes
// most of a minute, and is asked for with CHOOSE=1.
func TestLeaveOneOut(t *testing.T) {
	if os.Getenv("CHOOSE") == "" {
		t.Skip("CHOOSE does not ask for it")
	}
	traces := recordings(t)
	choices := choices(t, traces)
	var judged []replay.Measures
	for i, tr := range traces {
		best := least(choices, func(ms []replay.Measures) []replay.Measures { return slices.Delete(slices.Clone(ms), i, i+1) })
		t.Logf("without %s: %s, on it %+v", tr.Name, best.name, best.got[i])
		judged = append(judged, best.got[i])
	}
	t.Logf("mean of what was left out: %+v", replay.Mean(judged))
	best := least(choices, func(ms []replay.Measures) []replay.Measures { return ms })
	t.Logf("on all: %s: %+v", best.name, replay.Mean(best.got))
	for _, c := range choices {
		t.Logf("%s: %+v", c.name, replay.Mean(c.got))
	}
}

func choices(t *testing.T, traces []replay.Trace) (all []choice) {
	for _, cost := range []int{15, 20, 30, 45, 60} {
		for _, busy := range []float64{2, 3, 4, 5, 6} {
			for _, margin := range []float64{0.12, 0.15, 0.18} {
				o := rightsize.CPU(circumstances.Min, circumstances.Host)
				o.ActionCost, o.Busy, o.Margin = time.Duration(cost)*time.Minute, busy, margin
				c := choice{name: fmt.Sprintf("cost %dm busy %v margin %v", cost, busy, margin)}
				for _, tr := range traces {
					c.got = append(c.got, run(t, tr, replay.Rightsize(o)).Measures)
				}
				all = append(all, c)
			}
		}
	}
	return all
}

// least is the choice that fits and has the least slack on the traces that are looked at. Without one
// trace the bounds hold for the mean of the others.
func least(all []choice, look func([]replay.Measures) []replay.Measures) choice {
	var best choice
	for _, c := range all {
		m := replay.Mean(look(c.got))
		if fits(m) && (best.name == "" || m.Slack < replay.Mean(look(best.got)).Slack) {
			best = c
		}
	}
	return best
}
