package systemd_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

func shrinking(name string) scenario {
	return scenario{name: name, fragment: "MemoryMax=128M", resource: policy.Memory, to: policy.Amount(64 * mib), cache: 100 * mib}
}

// TestShrinkBelowUse wants a limit below what a unit cannot give up to be refused, and nothing to have
// been touched.
func TestShrinkBelowUse(t *testing.T) {
	g := shrinking("below use").set(t)
	g.unit.hard, g.unit.cache = 60*mib, 30*mib
	g.realize(g.unit)
	if err := g.do(t); !errors.Is(err, actuators.ErrRefused) || !strings.Contains(fmt.Sprint(err), "uses 60Mi of memory that cannot be reclaimed") {
		t.Errorf("got %v", err)
	}
	if len(g.calls) > 0 {
		t.Errorf("it was touched: %v", g.calls)
	}
	g.asBefore(t, "after a refused shrink")
}

// TestShrinkUnderPressure wants a shrink to be called off when every process of the unit waits for
// memory, and MemoryHigh to be as before.
func TestShrinkUnderPressure(t *testing.T) {
	tests := []struct {
		name     string
		share    int64
		thrashes bool
	}{
		{"a little", 5, false}, {"too much", 30, false}, {"too much, and reclaimed", 30, true}, {"reclaimed with a little", 5, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			share := test.share
			g := shrinking("pressure").set(t)
			synctest.Test(t, func(t *testing.T) {
				g.unit.stalls, g.unit.thrashes = !test.thrashes, true
				stop := make(chan struct{})
				defer close(stop)
				go func() {
					for {
						select {
						case <-stop:
							return
						case <-time.After(100 * time.Millisecond):
						}
						g.mu.Lock()
						g.unit.stalled += 1000 * share
						g.realize(g.unit)
						g.mu.Unlock()
					}
				}()
				began := time.Now()
				err := g.do(t)
				if share > 10 && !errors.Is(err, actuators.ErrRefused) || share < 10 && err != nil {
					t.Errorf("after %s: %v", time.Since(began), err)
				}
				want := []string{"set MemoryHigh=67108864", "set MemoryHigh=", "reload"}
				if share < 10 {
					want = []string{"set MemoryHigh=67108864", "set MemoryMax=67108864", "reload"}
				}
				if diff := cmp.Diff(want, g.calls); diff != "" {
					t.Errorf("calls (-want +got):\n%s", diff)
				}
			})
			if share > 10 {
				g.asBefore(t, "after a shrink that was called off")
			}
		})
	}
}

// TestShrinkThatGrowsTight wants a shrink to be called off when the unit takes more meanwhile.
func TestShrinkThatGrowsTight(t *testing.T) {
	g := shrinking("tight").set(t)
	g.unit.stalls = true
	g.after = func(call string) error {
		if call == "set MemoryHigh=67108864" {
			g.unit.hard, g.unit.cache = 80*mib, 20*mib
			g.realize(g.unit)
		}
		return nil
	}
	if err := g.do(t); !errors.Is(err, actuators.ErrRefused) {
		t.Errorf("got %v", err)
	}
	g.asBefore(t, "after a shrink that was called off")
}

// TestUndoBelowUse wants the undo of a growth to be refused where the unit holds more by now: the
// action ends as kept then.
func TestUndoBelowUse(t *testing.T) {
	g := scenario{fragment: "MemoryMax=64M", resource: policy.Memory, to: policy.Amount(256 * mib)}.set(t)
	if err := g.do(t); err != nil {
		t.Fatal(err)
	}
	g.unit.hard = 100 * mib
	g.realize(g.unit)
	before := g.snapshot()
	if err := g.undo(t); !errors.Is(err, actuators.ErrRefused) {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff(before, g.snapshot()); diff != "" {
		t.Errorf("after a refused undo (-before +after):\n%s", diff)
	}
}

// TestShrinkByRestart wants a unit whose memory does not fit to be stopped before its limit comes
// down, unless others would stay down with it.
func TestShrinkByRestart(t *testing.T) {
	s := shrinking("restart")
	s.edit = byRestart(policy.Memory)
	for _, dependent := range []bool{false, true} {
		t.Run(fmt.Sprintf("dependent %t", dependent), func(t *testing.T) {
			g := s.set(t)
			g.unit.hard = 100 * mib
			if dependent {
				g.add("web.service", "[Service]\n", nil)
				g.unit.dependents = []string{"web.service"}
				g.was = g.snapshot()
			}
			g.realize(g.unit)
			err := g.do(t)
			if dependent {
				if !errors.Is(err, actuators.ErrRefused) || !strings.Contains(err.Error(), "web.service would stop with it") {
					t.Errorf("got %v", err)
				}
				g.asBefore(t, "after a refused restart")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := []string{"stop worker.service", "set MemoryMax=67108864", "restart worker.service"}
			if diff := cmp.Diff(want, g.calls); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			g.holds(t, policy.Memory, s.to, "after the restart")
		})
	}
}

// TestRestartThatFails wants the reason, and the unit up again with its old size.
func TestRestartThatFails(t *testing.T) {
	g := scenario{fragment: "CPUQuota=50%", resource: policy.CPU, to: policy.Amount(1500), edit: byRestart(policy.CPU)}.set(t)
	g.unit.failsToStart = true
	g.unit.more = map[string]any{"Result": "exit-code", "ExecMainStatus": int32(3)}
	err := g.do(t)
	if err == nil || !strings.Contains(err.Error(), "the job ended as failed, and the unit is failed (failed), exit-code, exit status 3") {
		t.Errorf("got %v", err)
	}
	g.unit.failsToStart = false
	if err := g.undo(t); err != nil {
		t.Fatal(err)
	}
	g.asBefore(t, "after undo")
	if g.unit.active != "active" {
		t.Errorf("the unit is %s after undo", g.unit.active)
	}
}
