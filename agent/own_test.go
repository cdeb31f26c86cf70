package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/fake"
	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/policy"
)

// An owning platform evicts by itself, unless somebody owns that.
type owning struct {
	actuators.Driver
	mu     sync.Mutex
	holder string
	until  time.Time
	said   int // how often somebody said that it is his
	fault  error
}

func (o *owning) Owns() []policy.Resource { return []policy.Resource{policy.EvictNow} }

func (o *owning) Own(_ context.Context, _ policy.Target, holder string, lasts time.Duration) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fault != nil {
		return o.fault
	}
	o.holder, o.until, o.said = holder, time.Now().Add(lasts), o.said+1
	return nil
}

func (o *owning) Disown(_ context.Context, _ policy.Target, holder string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.holder == holder {
		o.holder = ""
	}
	return nil
}

// owner is who owns it now.
func (o *owning) owner() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if time.Now().After(o.until) {
		return ""
	}
	return o.holder
}

const evicting = `version: 1
metrics: {interval: 15s}
mode: auto
targets:
  - name: app
    fake: {service: app}
policies:
  - name: tiers
    target: app
    matrix:
      signals: {cpu: cpu}
      rows:
        - {when: {cpu: "< 1000"}, do: none}
        - {when: {cpu: ">= 1000"}, do: scale, change: {tiers: {evict: now}}}
`

func inOwningWorld(t *testing.T, story func(w *world, o *owning)) {
	t.Helper()
	inEmptyWorld(t, "", func(w *world) {
		w.files["agent.yaml"] = evicting
		w.driver.Add("app", busy(1000, 0.5))
		w.querier.Define("cpu", func(time.Time) (float64, bool) { return 50, true })
		o := &owning{}
		w.prepare = func(a *Agent) {
			o.Driver = a.drivers[fake.Name]
			a.drivers[fake.Name] = o
		}
		story(w, o)
	})
}

// What a platform does by itself is the agent's while its policies act on it and see what they need, and for no moment longer.
func TestOwnsWhatItsPoliciesActOn(t *testing.T) {
	inOwningWorld(t, func(w *world, o *owning) {
		w.start("agent.yaml")
		if w.pass(time.Second); o.owner() != "" {
			t.Error("it was taken before anything was seen")
		}
		w.pass(5 * time.Minute)
		if o.owner() == "" || o.said < 10 {
			t.Fatalf("%q has it, said %d times", o.owner(), o.said)
		}
		if _, err := w.agent.Pause(w.t.Context(), api.PauseRequest{Target: "app", Reason: "hands off"}); err != nil {
			t.Fatal(err)
		}
		if w.pass(time.Minute); o.owner() != "" {
			t.Error("it is ours while it is paused")
		}
		if err := w.agent.Resume(w.t.Context(), api.TargetRequest{Target: "app"}); err != nil {
			t.Fatal(err)
		}
		if w.pass(time.Minute); o.owner() == "" {
			t.Error("it is not ours again")
		}
		w.querier.Define("cpu", func(time.Time) (float64, bool) { return 0, false })
		if w.pass(time.Minute); o.owner() != "" {
			t.Error("it is ours while the policy is blind")
		}
	})
}

func TestOwnsNothingThatAPersonDecides(t *testing.T) {
	for _, mode := range []string{"approve", "dry-run"} {
		inOwningWorld(t, func(w *world, o *owning) {
			w.edit("mode: auto", "mode: "+mode)
			w.start("agent.yaml")
			if w.pass(5 * time.Minute); o.said > 0 {
				t.Errorf("mode %s: it was taken %d times", mode, o.said)
			}
		})
	}
	inOwningWorld(t, func(w *world, o *owning) {
		w.edit("tiers: {evict: now}", "cpu: {by: x2}")
		w.start("agent.yaml")
		if w.pass(5 * time.Minute); o.said > 0 {
			t.Errorf("no policy evicts: it was taken %d times", o.said)
		}
	})
	inOwningWorld(t, func(w *world, o *owning) {
		w.edit("do: scale", "do: plan")
		w.start("agent.yaml")
		if w.pass(5 * time.Minute); o.said > 0 {
			t.Errorf("a policy only plans evictions: it was taken %d times", o.said)
		}
	})
}

// An agent that ends, or that cannot reach the platform, has it no longer after a while; a refusal is told once and tried again.
func TestOwnershipEnds(t *testing.T) {
	inOwningWorld(t, func(w *world, o *owning) {
		w.start("agent.yaml")
		w.pass(5 * time.Minute)
		w.stop()
		if o.owner() == "" {
			t.Error("a restart would lose it")
		}
		time.Sleep(3 * time.Minute)
		if o.owner() != "" {
			t.Error("it is still ours long after the end")
		}
		o.fault = errors.New("the tiers belong to somebody")
		w.start("agent.yaml")
		if w.pass(5 * time.Minute); o.owner() != "" {
			t.Error("it was taken from somebody")
		}
		o.mu.Lock()
		o.fault = nil
		o.mu.Unlock()
		if w.pass(time.Minute); o.owner() == "" {
			t.Error("it was not tried again")
		}
	})
}

// Each time that it cannot be had is told, and each time only once.
func TestOwnershipIsTold(t *testing.T) {
	var told lockedBuffer
	a, one := &Agent{log: slog.New(slog.NewTextHandler(&told, nil))}, &target{faults: map[string]string{}}
	away, taken := errors.New("connection refused"), fmt.Errorf("%w: owned by somebody", actuators.ErrRefused)
	for i, c := range []struct {
		wanted bool
		err    error
		owns   bool
		says   string
	}{
		{true, nil, true, "is looked after"}, {true, nil, true, ""},
		{true, away, true, "cannot be looked after"}, {true, away, true, ""}, {true, nil, true, ""},
		{true, away, true, "cannot be looked after"}, {true, context.Canceled, true, ""}, {true, nil, true, ""},
		{true, taken, false, "cannot be looked after"}, {true, taken, false, ""}, {true, nil, true, "is looked after"},
		{false, away, true, "cannot be given back"}, {false, away, true, ""}, {false, nil, false, "looks after itself"},
	} {
		before := len(told.String())
		one.owning = true
		a.ownership(one, c.wanted, c.err)
		if said := told.String()[before:]; one.owns != c.owns || one.owning || (said == "") != (c.says == "") || !strings.Contains(said, c.says) {
			t.Errorf("%d: owns %v, says %q; want %v, %q", i, one.owns, said, c.owns, c.says)
		}
	}
}
