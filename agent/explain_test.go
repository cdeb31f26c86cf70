package agent

import (
	"slices"
	"testing"
	"time"

	"github.com/engramd/engramd/agent/api"
)

// explain shows what an action does while it does it, and how long each thing took; also of one of an
// agent that was killed since, and of one that an older engramd journalled without it.
func TestExplainShowsWhatIsBeingDone(t *testing.T) {
	inFleet(t, func(w *world) {
		explained := func() (ops []string, last api.ProgressView) {
			x, err := w.agent.Explain(w.t.Context(), w.actions()[0].ID)
			if err != nil || x.Action == nil {
				t.Fatalf("explain: %+v, %v", x, err)
			}
			for _, p := range x.Action.Progress {
				ops, last = append(ops, p.Op), p
			}
			return ops, last
		}
		w.pass(time.Minute)
		want := []string{"look", "baseline", "do", "do", "do", "do", "verify", "settle"}
		if got, last := explained(); !slices.Equal(got, want) || last.TookSeconds != nil {
			t.Errorf("while it settles: %v, %+v", got, last)
		}
		w.killNow()
		w.start("agent.yaml")
		w.pass(20 * time.Minute)
		want = append(want, "validate") // what the killed one was at had not been written down yet
		if got, last := explained(); !slices.Equal(got, want) || last.TookSeconds == nil || *last.TookSeconds < 60 {
			t.Errorf("in the end: %v, %+v, %v", got, last, *last.TookSeconds)
		}
		old := w.actions()[0]
		old.Progress = nil
		w.must(w.agent.journal.Put(old))
		if got, _ := explained(); len(got) != 0 {
			t.Errorf("of an old record: %v", got)
		}
	})
}
