package actuators_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// Each step of the guide's procedures has something of ours beside it.
func TestEveryStepOfTheGuideIsCovered(t *testing.T) {
	last := map[string]string{"docker": "10", "kubernetes": "9", "systemd": "7"}
	for driver, end := range last {
		g, ok := actuators.GuideFor(driver)
		if !ok {
			t.Fatalf("no procedure for %s", driver)
		}
		var numbers []string
		for _, s := range g.Steps {
			for one := range strings.SplitSeq(s.Numbers, "-") {
				if one != "before" && one != "after" {
					numbers = append(numbers, one)
				}
			}
			if (s.Expected == "") && s.Most != 0 {
				t.Errorf("%s step %s has a bound that the guide does not name", driver, s.Numbers)
			}
		}
		if numbers[0] != "1" || numbers[len(numbers)-1] != end {
			t.Errorf("%s has the steps %v", driver, numbers)
		}
	}
	if _, ok := actuators.GuideFor("node"); ok {
		t.Error("the guide has no procedure for a node alone")
	}
}

// What an action did on its way, with how long it took, is on the action, and a rollback's, too.
func TestProgressOfARestart(t *testing.T) {
	for name, test := range map[string]struct {
		script string
		want   []string
		took   time.Duration
	}{
		"committed": {`service app cpu=1000 restart=cpu start=20s
load cores=1.6
define age 60
action cpu 1000 -> 2000
validation settle=30s every=15s checks=3 duration=2m none=rollback tolerance=0.1
drain 30s
backup 1h age
health 1m
smoke /health
`, []string{
			"look 0s", "baseline 0s", "backup 0s", "others 0s", "enable 0s", "idle 1s", "do:stop 0s", "do:rename 0s", "do:create 0s", "do:start 0s",
			"verify 0s", "health 20s", "disable 0s", "smoke 0s", "settle 30s", "validate 1m30s", "finish 0s",
		}, 21 * time.Second},
		"sick": {`service app cpu=1000 restart=cpu recreated=unhealthy
load cores=1.6
action cpu 1000 -> 2000
validation settle=30s every=15s checks=3 duration=2m none=rollback tolerance=0.1
health 1m
`, []string{
			"look 0s", "baseline 0s", "do:stop 0s", "do:rename 0s", "do:create 0s", "do:start 0s", "verify 0s",
			"health 1m0s not healthy within 1m: the health check of app says unhealthy",
			"undo:start 0s", "undo:create 0s", "undo:rename 0s", "undo:stop 0s",
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := played(t, test.script)
				var got []string
				for _, p := range a.Progress {
					line := p.Op
					if p.Kind != "" {
						line += ":" + p.Kind
					}
					line += " " + p.Took.String()
					if p.Open {
						line += " open"
					}
					if p.Error != "" {
						line += " " + p.Error
					}
					got = append(got, line)
				}
				if d := cmp.Diff(test.want, got); d != "" {
					t.Error(d)
				}
				if took, _ := a.Took(); took != test.took {
					t.Errorf("took %s, want %s", took, test.took)
				}
			})
		})
	}
}

// played plays a script and returns the action as the journal has it in the end.
func played(t *testing.T, text string) actuators.Action {
	t.Helper()
	s := parseScript(t, text)
	p := s.play(t)
	ctx := p.boot()
	if err := p.plan(ctx, &p.action); err != nil {
		t.Fatal(err)
	}
	if err := p.executor.Start(ctx, p.action); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Hour)
	p.kill()
	p.executor.Close(errBroken)
	all, err := p.journal.Actions()
	if err != nil || len(all) != 1 {
		t.Fatalf("%d actions, %v", len(all), err)
	}
	return all[0]
}

// What a killed process was at is not taken for done, nor its time for known.
func TestProgressThatWasCutShort(t *testing.T) {
	inFleet(t, func(s *show) {
		s.start()
		time.Sleep(time.Minute)
		s.restart()
		s.pass(20 * time.Minute)
		cut := 0
		for _, p := range s.action().Progress {
			if p.Open {
				t.Errorf("%s is still open", p.Op)
			}
			if p.Error == "engramd ended meanwhile" {
				cut++
				if p.Took != 0 {
					t.Errorf("%s took %s", p.Op, p.Took)
				}
			}
		}
		if cut != 1 {
			t.Errorf("%d were cut short", cut)
		}
	})
}

// A way without end is kept to a bounded length, its beginning and its end above all.
func TestProgressIsBounded(t *testing.T) {
	inFleet(t, func(s *show) {
		s.Scale(300)
		time.Sleep(time.Minute)
		s.start()
		s.pass(20 * time.Minute)
		a := s.action()
		n := len(a.Progress)
		if n > 120 || a.Progress[0].Op != "look" || a.Progress[n-1].Op != "validate" || a.State != actuators.Committed {
			t.Errorf("%d entries, %s: %+v ... %+v", n, a.State, a.Progress[0], a.Progress[n-1])
		}
		if _, timed := a.Took(); timed || a.Plan.Strategy != policy.Live {
			t.Error("a live change keeps nobody waiting")
		}
	})
}
