package diagnosis_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/diagnosis"
	"github.com/engramd/engramd/policy/diagnose"
)

// What the collectors know of a target has a measure each, and nothing has one that they do not know.
func TestEverythingThatWasUsedCounts(t *testing.T) {
	use := actuators.Usage{
		CPULimit: new(1.0), ThrottledRatio: new(2.0), CPUStall: new(3.0), RunQueue: new(4.0), BusiestThread: new(5.0), BlockedThreads: new(6.0),
		MemoryStall: new(7.0), IOStall: new(8.0), Refaults: new(9.0), ReclaimStalls: new(10.0), OOMKills: new(int64(11)), ThreadCores: new(12.0),
		WorkingSet: new(int64(26)), MemoryLimit: new(int64(2)),
	}
	want := map[diagnose.Measure]float64{
		diagnose.CoresLimit: 1, diagnose.Throttled: 2, diagnose.CPUStall: 3, diagnose.RunQueue: 4, diagnose.BusiestThread: 5, diagnose.BlockedIO: 6,
		diagnose.MemoryStall: 7, diagnose.IOStall: 8, diagnose.Refaults: 9, diagnose.LimitHits: 10, diagnose.OOMKills: 11, diagnose.CoresUsed: 12,
		diagnose.MemoryUse: 13,
	}
	// A node tells of its run queue, too: the collectors are nearer. Its own CPU use is no measure, and counts where nothing is nearer.
	s := &senses{use: use, knows: map[string]float64{"engram_cpu_wait_seconds_total": 99, "sum(rate(process_cpu_seconds_total{target=\"a\\\"b\"}[5m]))": 99}}
	got := map[diagnose.Measure]float64{}
	for _, n := range diagnosis.Gather(t.Context(), s, question()) {
		if had, twice := got[n.Measure]; twice {
			t.Errorf("%s is %v and %v", n.Measure, had, n.Value)
		}
		got[n.Measure] = n.Value
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	use = actuators.Usage{WorkingSet: new(int64(26)), MemoryLimit: new(int64(0))} // no limit
	if numbers := diagnosis.Gather(t.Context(), &senses{use: use}, question()); len(numbers) != 0 {
		t.Errorf("of a limit of nothing: %v", numbers)
	}
}

// However many questions hang, the others are answered.
func TestQuestionsThatHangAreNotInTheWay(t *testing.T) {
	for range 20 { // the order of questions is another one each time
		synctest.Test(t, func(t *testing.T) {
			s := &senses{hangs: "engram", knows: map[string]float64{"go_sched_gomaxprocs": 7}}
			if v, ok := value(diagnosis.Gather(t.Context(), s, question()), diagnose.GOMAXPROCS); !ok || v != 7 {
				t.Fatalf("GOMAXPROCS is %v, %v", v, ok)
			}
		})
	}
}

// What work costs now is held against what it cost right before the change.
func TestCostsAreComparedAcrossTheChange(t *testing.T) {
	s := &senses{}
	q := question()
	diagnosis.Look(t.Context(), s, q)
	if slices.ContainsFunc(s.asked, func(e string) bool { return strings.Contains(e, "offset") }) {
		t.Error("of no change costs are compared")
	}
	q.Change = q.To.Add(-7 * time.Minute)
	diagnosis.Look(t.Context(), s, q)
	if !slices.ContainsFunc(s.asked, func(e string) bool { return strings.Contains(e, "[5m] offset 7m") }) {
		t.Errorf("nobody asked for the 5 minutes that ended 7 minutes ago: %q", s.asked)
	}
}
