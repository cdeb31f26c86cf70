package agent

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/fake"
	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/policy"
)

// two starts an agent over app and db, each with a policy and a signal of its own.
func (w *world) two() {
	w.driver.Add("app", busy(1000, 1.6))
	w.driver.Add("db", busy(1000, 1.6))
	w.seesCPU()
	w.querier.Define("db", func(at time.Time) (float64, bool) {
		u := w.driver.Used("db", at.Add(-15*time.Second), at)
		if u.Cores == nil || u.CPULimit == nil {
			return 0, false
		}
		return 100 * *u.Cores / *u.CPULimit, true
	})
	w.edit("targets:", "targets:\n  - name: db\n    fake: {service: db}\n    limits: {cpu: {min: 500m, max: 4}}")
	w.edit("policies:", `policies:
  - name: db
    target: db
    every: 15s
    matrix:
      signals: {db: db}
      rows:
        - {when: {db: "< 85"}, do: none}
        - {when: {db: ">= 85"}, for: 30s, do: scale, change: {cpu: {by: x2}}}`)
	w.start("agent.yaml")
}

// dbGrewBy fails unless db was grown to two cores within d of the beginning.
func (w *world) dbGrewBy(d time.Duration) {
	w.t.Helper()
	for _, a := range w.actions() {
		if a.TargetName == "db" && a.State == actuators.Committed {
			for _, x := range a.Times {
				if x.State == actuators.Applying && x.At.Sub(beginning) <= d {
					return
				}
			}
		}
	}
	w.t.Errorf("db did not grow within %s: %v", d, w.states())
}

// hanging answers nothing about one expression until its reader gives up.
type hanging struct {
	senseAll
	expr string
}

func (h hanging) Read(ctx context.Context, expr string, at time.Time) policy.Reading {
	if expr != h.expr {
		return h.senseAll.Read(ctx, expr, at)
	}
	limited, cancel := context.WithTimeout(ctx, 10*time.Second) // as telemetry bounds it
	defer cancel()
	<-limited.Done()
	return policy.Reading{Expr: expr, Reason: "the query took longer than 10s"}
}

// A query that hangs blinds the targets that it is about, and delays nobody else.
func TestAHangingQueryDelaysNobodyElse(t *testing.T) {
	inEmptyWorld(t, "", func(w *world) {
		w.sensing = func(s senseAll) senses { return hanging{s, "cpu"} }
		w.two()
		w.pass(10 * time.Minute)
		w.dbGrewBy(50 * time.Second)
		s, err := w.agent.Status(w.t.Context())
		if err != nil || s.Targets[0].Name != "app" || s.Targets[0].State != api.TargetBlind {
			t.Errorf("status: %+v, %v", s.Targets, err)
		}
	})
}

// A platform that does not answer about one target makes that one blind; the other is decided upon as
// ever, and the loop answers at once.
func TestAHangingPlatformDelaysNobodyElse(t *testing.T) {
	inEmptyWorld(t, "", func(w *world) {
		w.hangs.Store(new("app"))
		w.two()
		w.pass(10 * time.Minute)
		w.dbGrewBy(50 * time.Second)
		before := time.Now()
		s, err := w.agent.Status(w.t.Context())
		if err != nil || s.Targets[0].State != api.TargetAbsent || time.Since(before) != 0 {
			t.Errorf("status after %s: %+v, %v", time.Since(before), s.Targets, err)
		}
		w.hangs.Store(nil)
		w.pass(10 * time.Minute)
		if got := w.driver.Sizes("app")[policy.CPU]; got != policy.Amount(2000) {
			t.Errorf("cpu of app is %s once the platform answered", got)
		}
	})
}

// Orders to an action that is just looking at a platform that hangs come back within a bound, and the
// loop goes on meanwhile.
func TestAnOrderToABusyActionIsBounded(t *testing.T) {
	inEmptyWorld(t, "", func(w *world) {
		w.two()
		w.pass(time.Minute)
		var id string
		for _, a := range w.actions() {
			if a.TargetName == "app" {
				id = a.ID
			}
		}
		w.hangs.Store(new("app"))
		w.pass(5 * time.Second)
		before := time.Now()
		_, err := w.agent.Cancel(w.t.Context(), id, api.ReasonRequest{})
		if err == nil || time.Since(before) > orderTimeout {
			t.Errorf("cancel after %s: %v", time.Since(before), err)
		}
		w.pass(5 * time.Minute)
		w.dbGrewBy(50 * time.Second)
		w.hangs.Store(nil)
		w.pass(20 * time.Minute)
		w.ended()
	})
}

// Whoever asks while the agent stops is told so, and nobody is left waiting.
func TestAskingWhileStopping(t *testing.T) {
	inEmptyWorld(t, "", func(w *world) {
		w.two()
		w.pass(time.Minute)
		a := w.agent
		var refused atomic.Int32
		for range 20 {
			go func() {
				for {
					if _, err := a.Status(context.Background()); err != nil {
						if problem, ok := errors.AsType[*api.Problem](err); ok && problem.Status == 503 {
							refused.Add(1)
						}
						return
					}
				}
			}()
		}
		w.stop()
		synctest.Wait()
		if n := refused.Load(); n != 20 {
			t.Errorf("%d of 20 were told to try again later", n)
		}
	})
}

// A target that is gone is absent, and one that comes back is decided upon.
func TestATargetComesAndGoes(t *testing.T) {
	inEmptyWorld(t, "absent", func(w *world) {
		s, _ := wanting(1000, 1.6)
		w.seesCPU()
		w.start("agent.yaml")
		w.pass(time.Minute)
		w.note("app starts")
		w.driver.Add("app", s)
		w.pass(90 * time.Second)
		w.note("app is removed while it is watched")
		w.driver.Remove("app")
		w.pass(5 * time.Minute)
		w.note("app is there again")
		w.driver.Add("app", s)
		w.pass(10 * time.Minute)
	})
}

// Errors of the platform end nothing: what can be tried again is, and the rest is told.
func TestAPlatformThatFails(t *testing.T) {
	inEmptyWorld(t, "platform_errors", func(w *world) {
		w.driver.Add("app", busy(1000, 1.6))
		w.seesCPU()
		w.driver.Fail(fake.Fault{Op: "observe", Nth: 2, Times: 5, Err: errors.New("the daemon is away")})
		w.driver.Fail(fake.Fault{Op: "do", Err: errors.New("no space left on device")})
		w.start("agent.yaml")
		w.pass(20 * time.Minute)
	})
}
