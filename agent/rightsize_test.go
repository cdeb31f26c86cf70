package agent

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/fake"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/policy/rightsize"
)

const following = `version: 1
mode: auto
metrics: {interval: 15s}
targets:
  - name: app
    fake: {service: app}
    limits: {cpu: {min: 200m, max: 4}}
policies:
  - {name: size, target: app, rightsize: {resources: [cpu]}}
validation: {settle: 30s, duration: 3m, every: 16s, effect: {checks: 3, none: rollback}}
safety: {cooldown: {up: 1m, down: 5m}, budget: {per_hour: 4, per_day: 12, emergencies_per_day: 4}}
`

// inRightWorld runs a story of the service "app", which has so much CPU, under the configuration above.
func inRightWorld(t *testing.T, s fake.Service, edit func(string) string, story func(w *world)) {
	t.Helper()
	inEmptyWorld(t, "", func(w *world) {
		w.files["agent.yaml"] = edit(following)
		w.driver.Add("app", s)
		w.start("agent.yaml")
		story(w)
	})
}

func unedited(text string) string { return text }

func (w *world) cores() float64 {
	n, _ := w.driver.Sizes("app")[policy.CPU].Amount()
	return float64(n) / 1000
}

func TestRightsizeFollowsDemandDownAndUp(t *testing.T) {
	s, demand := wanting(4000, 0.5)
	inRightWorld(t, s, unedited, func(w *world) {
		w.pass(20 * time.Minute)
		if w.cores() != 4 {
			t.Errorf("%v cores after 20 minutes: too early to shrink", w.cores())
		}
		w.pass(time.Hour)
		if got := w.cores(); got < 0.55 || got > 0.7 {
			t.Errorf("%v cores for a demand of half a core", got)
		}
		if strings.Contains(w.trace.String(), "does not size") {
			t.Errorf("a target that is measured is told to be none:\n%s", w.trace)
		}
		demand.turn(2)
		w.pass(3 * time.Minute)
		if w.cores() < 2 {
			t.Errorf("%v cores three minutes after the demand rose to 2", w.cores())
		}
		actions := w.actions()
		last := actions[len(actions)-1]
		if d := last.Decision; d.Source != policy.FromRightsize || d.Evidence == "" || d.Policy != "size" || !strings.Contains(d.Why, "demand is cut off") {
			t.Errorf("growth: %+v", d.Proposal)
		}
		if first := actions[0]; first.State != actuators.Committed || !strings.Contains(first.Decision.Why, "recent maximum") || first.Decision.Evidence != "" {
			t.Errorf("decrease: %s, %+v", first.State, first.Decision.Proposal)
		}
	})
}

// TestRightsizeOfWhatMayBeAnywhere has a target on hosts that the agent does not know, and no limit to go by.
func TestRightsizeOfWhatMayBeAnywhere(t *testing.T) {
	inEmptyWorld(t, "", func(w *world) {
		s, _ := wanting(4000, 0.5)
		w.files["agent.yaml"] = strings.Replace(following, "max: 4", "", 1)
		w.driver.Add("app", s)
		w.prepare = func(a *Agent) {
			p := a.opts.Registry[fake.Name]
			p.Admission = "the kubelet"
			a.opts.Registry[fake.Name] = p
		}
		w.start("agent.yaml")
		w.pass(20 * time.Minute)
		if n := strings.Count(w.trace.String(), "policy size does not size cpu of app: limits.cpu.max is not set"); n != 1 {
			t.Errorf("told %d times, want once:\n%s", n, w.trace)
		}
	})
}

// TestWhatIsLearnedIsWrittenDownAtOnce has many targets whose steps fall together: a write to the disk for each would
// hold the loop up.
func TestWhatIsLearnedIsWrittenDownAtOnce(t *testing.T) {
	inEmptyWorld(t, "", func(w *world) {
		targets, names := "", []string{}
		for i := range 20 {
			name := fmt.Sprintf("app%d", i)
			s, _ := wanting(4000, 0.5)
			w.driver.Add(name, s)
			names, targets = append(names, name), targets+fmt.Sprintf("  - {name: %s, fake: {service: %[1]s}, limits: {cpu: {min: 200m, max: 4}}}\n", name)
		}
		before, _, _ := strings.Cut(following, "  - name: app\n")
		_, after, _ := strings.Cut(following, "policies:\n")
		w.files["agent.yaml"] = before + targets + "policies:\n" + strings.Replace(after, "target: app", "targets: ["+strings.Join(names, ", ")+"]", 1)
		w.start("agent.yaml")
		var writes atomic.Int64
		w.agent.journal.FailWrites(func(what string) error {
			if strings.HasPrefix(what, "put meta") {
				writes.Add(1)
			}
			return nil
		})
		w.pass(15 * time.Minute)
		if n := writes.Load(); n < 2 || n > 6 {
			t.Errorf("%d writes in 15 minutes, want 2 or 3", n)
		}
		learned := func() rightsize.State {
			return ask(w, func(l *loop) rightsize.State {
				return *w.agent.sizer(l.targets["app19"], l.cfg.Rightsize[0], time.Now()).States[policy.CPU]
			})
		}
		was := learned()
		w.stop()
		w.start("agent.yaml")
		if is := learned(); !is.First.Equal(was.First) || is.Mean != was.Mean {
			t.Errorf("learned before: %+v, left: %+v", was, is)
		}
	})
}

// TestGrowthOnEvidenceIsNeverHeld has neither budget nor cooldown left, and a decrease under validation.
func TestGrowthOnEvidenceIsNeverHeld(t *testing.T) {
	s, demand := wanting(4000, 0.5)
	inRightWorld(t, s, func(text string) string {
		text = strings.Replace(text, "per_hour: 4, per_day: 12", "per_hour: 1, per_day: 1", 1)
		text = strings.Replace(text, "up: 1m", "up: 10h", 1)
		return strings.Replace(text, "duration: 3m", "duration: 1h", 1)
	}, func(w *world) {
		for len(w.actions()) == 0 {
			w.pass(time.Minute)
		}
		w.pass(2 * time.Minute)
		demand.turn(3)
		w.pass(3 * time.Minute)
		if w.cores() < 3 {
			t.Errorf("%v cores, three minutes after the demand rose to 3", w.cores())
		}
	})
}

func TestMatrixGrowthIsAdviceWhereRightsizeOwns(t *testing.T) {
	s, _ := wanting(2000, 1.9)
	inRightWorld(t, s, func(text string) string {
		return strings.Replace(text, "policies:\n", `policies:
  - name: eager
    target: app
    matrix:
      signals: {cpu: cpu}
      rows:
        - {when: {cpu: "< 50"}, do: none}
        - {when: {cpu: ">= 50"}, do: scale, change: {cpu: {by: x2}}}
`, 1)
	}, func(w *world) {
		w.seesCPU()
		w.pass(10 * time.Minute)
		if w.cores() != 2 {
			t.Errorf("%v cores: the matrix acted although a right-size policy owns CPU", w.cores())
		}
	})
}

// TestWhatWasLearnedOutlivesARestart: without it, a decrease would be due only 25 minutes after the start.
func TestWhatWasLearnedOutlivesARestart(t *testing.T) {
	s, _ := wanting(4000, 0.5)
	inRightWorld(t, s, unedited, func(w *world) {
		w.pass(24 * time.Minute)
		w.stop()
		w.start("agent.yaml")
		w.pass(8 * time.Minute)
		if w.cores() == 4 {
			t.Error("still 4 cores 32 minutes after the first start")
		}
	})
}

// TestWhatWasLearnedOutlivesAnAbsence: a target that a reload takes away and another one brings back is the same.
func TestWhatWasLearnedOutlivesAnAbsence(t *testing.T) {
	s, _ := wanting(4000, 0.5)
	inRightWorld(t, s, unedited, func(w *world) {
		w.pass(24 * time.Minute)
		with := w.files["agent.yaml"]
		w.files["agent.yaml"] = "version: 1\nmode: auto\nmetrics: {interval: 15s}\n"
		w.reload()
		w.pass(time.Minute)
		w.files["agent.yaml"] = with
		w.reload()
		w.pass(8 * time.Minute)
		if w.cores() == 4 {
			t.Error("still 4 cores 33 minutes after the first start")
		}
	})
}

// TestWantedOfASizeThatIsGone has somebody else change the size between two steps of the policy.
func TestWantedOfASizeThatIsGone(t *testing.T) {
	grow, shrink := rightsize.Recommendation{From: 1, Size: 2}, rightsize.Recommendation{From: 4, Size: 2}
	for _, tt := range []struct {
		want   rightsize.Recommendation
		is     policy.Quantity
		stands bool
	}{
		{grow, policy.Amount(1000), true},
		{grow, policy.Amount(2000), false},
		{grow, policy.Amount(8000), false},
		{grow, policy.Unlimited(), false},
		{grow, policy.Quantity{}, true}, // not known: deciding says so
		{shrink, policy.Amount(4000), true},
		{shrink, policy.Amount(2000), false},
		{shrink, policy.Amount(1000), false},
		{shrink, policy.Unlimited(), true},
		{shrink, policy.Quantity{}, true},
	} {
		if got := stands(tt.want, tt.is, policy.CPU); got != tt.stands {
			t.Errorf("%v to %v of %v: %v", tt.want.From, tt.want.Size, tt.is, got)
		}
	}
}

// TestUnknownUseChangesNothing: absent is not zero.
func TestUnknownUseChangesNothing(t *testing.T) {
	s, _ := wanting(4000, 0.5)
	inEmptyWorld(t, "", func(w *world) {
		w.files["agent.yaml"] = following
		w.driver.Add("app", s)
		w.sensing = func(all senseAll) senses { return unmeasured{all} }
		w.start("agent.yaml")
		w.pass(3 * time.Hour)
		if w.cores() != 4 || len(w.actions()) != 0 {
			t.Errorf("%v cores, %d actions without a measurement", w.cores(), len(w.actions()))
		}
		if n := strings.Count(w.trace.String(), "policy size does not size cpu of app: what it uses of cpu is not measured"); n != 1 {
			t.Errorf("that was told %d times, want once:\n%s", n, w.trace)
		}
	})
}

// unmeasured sees targets and measures nothing of them.
type unmeasured struct{ senseAll }

func (unmeasured) Used(string, time.Time, time.Time) actuators.Usage { return actuators.Usage{} }

func TestAnApprovalOutlivesSmallChangesOfWhatIsWanted(t *testing.T) {
	s, demand := wanting(4000, 0.5)
	inRightWorld(t, s, func(text string) string { return strings.Replace(text, "mode: auto", "mode: approve", 1) }, func(w *world) {
		w.pass(40 * time.Minute)
		waiting := w.actions()
		if len(waiting) != 1 || waiting[0].State != actuators.Waiting {
			t.Fatalf("%d actions", len(waiting))
		}
		demand.turn(0.51)
		w.pass(30 * time.Minute)
		if now := w.actions(); len(now) != 1 || now[0].ID != waiting[0].ID {
			t.Errorf("%d actions after a small change of the demand, want the same one", len(now))
		}
		demand.turn(1)
		w.pass(2 * time.Minute)
		now := w.actions()
		if len(now) != 2 || now[0].State != actuators.Cancelled {
			t.Errorf("%d actions after the demand had doubled, want another one", len(now))
		}
	})
}

const hours = `
  - name: office
    target: app
    schedule:
      - {cron: "0 8 * * 1-5", duration: 10h, limits: {cpu: {min: 2, max: 3}}}
`

func TestScheduleRaisesAndBoundsInItsHours(t *testing.T) {
	s, _ := wanting(1000, 0.2)
	inRightWorld(t, s, func(text string) string {
		return strings.Replace(text, "  - {name: size, target: app, rightsize: {resources: [cpu]}}\n", hours[1:], 1)
	}, func(w *world) { // synctest begins at midnight of Saturday, 2000-01-01
		w.pass(9 * time.Hour)
		if w.cores() != 1 {
			t.Fatalf("%v cores on Saturday at 9", w.cores())
		}
		w.edit("1-5", "*")
		if _, err := w.agent.Reload(w.t.Context()); err != nil {
			t.Fatal(err)
		}
		w.pass(10 * time.Minute)
		if w.cores() != 2 {
			t.Errorf("%v cores in office hours, want 2", w.cores())
		}
		actions := w.actions()
		if d := actions[len(actions)-1].Decision; d.Source != policy.FromSchedule || d.Policy != "office" || !strings.Contains(d.Why, "from 2 cores to 3 cores") {
			t.Errorf("%+v", d.Proposal)
		}
	})
}

func TestRightsizeShrinksToTheSchedulesMinimum(t *testing.T) {
	s, _ := wanting(4000, 0.2)
	inRightWorld(t, s, func(text string) string {
		return strings.Replace(text, "validation:", strings.Replace(hours[1:], `"0 8 * * 1-5", duration: 10h`, `"0 2 * * *", duration: 2h`, 1)+"validation:", 1)
	}, func(w *world) {
		w.pass(110 * time.Minute)
		if got := w.cores(); got > 0.3 {
			t.Errorf("%v cores before the hours for a demand of 0.2", got)
		}
		w.pass(2 * time.Hour)
		if w.cores() != 2 {
			t.Errorf("%v cores in the hours, want the minimum of 2", w.cores())
		}
		w.pass(time.Hour)
		if got := w.cores(); got > 0.3 {
			t.Errorf("%v cores after the hours for a demand of 0.2", got)
		}
	})
}

// TestHoursOfAnotherResource has a growth of CPU wait for a yes until its hours are over, and other hours open then.
func TestHoursOfAnotherResource(t *testing.T) {
	s, _ := wanting(1000, 0.2)
	inRightWorld(t, s, func(text string) string {
		text = strings.Replace(text, "mode: auto", "mode: approve", 1)
		text = strings.Replace(text, "safety: {", "safety: {recheck: 2h, ", 1)
		return strings.Replace(text, "  - {name: size, target: app, rightsize: {resources: [cpu]}}\n", `  - name: office
    target: app
    schedule:
      - {cron: "0 8 * * *", duration: 10h, limits: {cpu: {min: 2}}}
      - {cron: "0 18 * * *", duration: 14h, limits: {memory: {max: 1Gi}}}
`, 1)
	}, func(w *world) {
		w.pass(9 * time.Hour)
		w.expect(actuators.Waiting)
		w.pass(12 * time.Hour)
		w.expect(actuators.Cancelled)
	})
}
