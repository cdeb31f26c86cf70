package agent

import (
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/policy"
)

// While its first samples are being collected a policy is not called blind, though it vetoes as a blind one; later it is, at once.
func TestTheStartIsNoBlindness(t *testing.T) {
	for name, c := range map[string]struct {
		comes time.Duration // the first sample
		want  []string
	}{
		"as soon as it can":    {0, nil},
		"a little later":       {50 * time.Second, nil},
		"later than it should": {2 * time.Minute, []string{"00:01:00 blind", "00:02:00 sees"}},
	} {
		t.Run(name, func(t *testing.T) {
			inEmptyWorld(t, "", func(w *world) {
				began := time.Now()
				w.driver.Add("app", busy(4000, 0.2))
				w.querier.Define("cpu", func(at time.Time) (float64, bool) { return 50, at.Sub(began) >= c.comes })
				w.start("agent.yaml")
				var told []string
				w.life.watch(func(e policy.Event) {
					if e.Type == policy.EventBlind {
						says := "sees"
						if strings.Contains(e.Message, "is blind") {
							says = "blind"
						}
						told = append(told, time.Time{}.Add(e.At.Sub(began)).Format(time.TimeOnly)+" "+says)
					}
				})
				w.pass(20 * time.Second)
				if st, err := w.agent.Status(w.t.Context()); err != nil || (st.Targets[0].Policies[0].Verdict == policy.Blind) != (c.comes > 0) {
					t.Errorf("after the first look: %+v: %v", st.Targets[0].Policies, err)
				}
				w.pass(5*time.Minute - 20*time.Second)
				w.querier.Define("cpu", func(time.Time) (float64, bool) { return 0, false })
				w.pass(20 * time.Second)
				w.life.watch(nil)
				want := strings.Join(append(c.want, "00:05:15 blind"), ", ")
				if got := strings.Join(told, ", "); got != want {
					t.Errorf("told %s, want %s", got, want)
				}
			})
		})
	}
}
