package agent

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/policy"
)

// full makes the disk refuse what begins with one of the names, until it is called.
func (w *world) full(names ...string) (room func()) {
	j := w.agent.journal
	j.FailWrites(func(what string) error {
		for _, name := range names {
			if strings.HasPrefix(what, name) {
				return syscall.ENOSPC
			}
		}
		return nil
	})
	return func() { j.FailWrites(nil) }
}

// Whatever cannot be written down is not begun, and begins once there is room.
func TestAFullDiskHoldsEverything(t *testing.T) {
	for name, at := range map[string]string{
		"decisions": "put decisions", "original": "keep original", "ledger": "put ledgers", "action": "put actions",
	} {
		t.Run(name, func(t *testing.T) {
			inEmptyWorld(t, "", func(w *world) {
				w.driver.Add("app", busy(1000, 1.6))
				w.seesCPU()
				w.start("agent.yaml")
				w.pass(20 * time.Second)
				room := w.full(at)
				w.pass(4 * time.Minute)
				if n := w.driver.Calls("do"); n != 0 {
					t.Errorf("%d steps were done", n)
				}
				if n := w.spent(); name != "action" && n != 0 {
					t.Errorf("%d changes were paid for", n)
				}
				room()
				w.pass(10 * time.Minute)
				if got := w.driver.Sizes("app")[policy.CPU]; got != policy.Amount(2000) {
					t.Errorf("cpu is %s once there was room", got)
				}
				w.ended()
			})
		})
	}
}

// A disk that fills while a change is under way: it is undone, or stays where a successor finds it.
func TestTheDiskFillsUnderWay(t *testing.T) {
	for _, state := range []actuators.ActionState{actuators.Applying, actuators.Verifying, actuators.Validating, actuators.Committed} {
		t.Run(string(state), func(t *testing.T) {
			inEmptyWorld(t, "", func(w *world) {
				w.driver.Add("app", busy(1000, 1.6))
				w.seesCPU()
				w.start("agent.yaml")
				room := func() {}
				w.life.watch(func(e policy.Event) {
					if e.Outcome == state {
						room = w.full("put")
					}
				})
				w.pass(10 * time.Minute)
				w.life.watch(nil)
				room()
				w.pass(20 * time.Minute)
				w.ended()
				if err := w.driver.Check("app", true); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// What waits cannot be answered, ended or changed without a place to write it, and goes on waiting.
func TestWaitingOnAFullDisk(t *testing.T) {
	inEmptyWorld(t, "", func(w *world) {
		one := w.waits(busyFor(time.Hour), "mode: auto", "mode: approve", "safety: {", "safety: {recheck: 3h, ")
		room := w.full("put actions")
		if _, err := w.agent.Approve(w.t.Context(), one.ID, api.ApproveRequest{}); err == nil {
			t.Error("a yes was taken that is not written down")
		}
		if _, err := w.agent.Reject(w.t.Context(), one.ID, api.ReasonRequest{}); err == nil {
			t.Error("a no was taken that is not written down")
		}
		if _, err := w.agent.Cancel(w.t.Context(), one.ID, api.ReasonRequest{}); err == nil {
			t.Error("a cancel was taken that is not written down")
		}
		w.pass(5 * time.Hour) // its condition is gone
		if now := w.onlyWaiting(); now.ID != one.ID || now.Approval != nil {
			t.Errorf("waiting: %+v", now)
		}
		room()
		w.pass(10 * time.Minute)
		w.expect(actuators.Cancelled)
	})
}

// Freezes, pauses, releases that cannot be written down are refused.
func TestControlsOnAFullDisk(t *testing.T) {
	inEmptyWorld(t, "", func(w *world) {
		w.driver.Add("app", busy(1000, 1.6))
		w.seesCPU()
		w.start("agent.yaml")
		w.pass(10 * time.Minute)
		room := w.full("put", "delete")
		defer room()
		if _, err := w.agent.Pause(w.t.Context(), api.PauseRequest{Target: "app"}); err == nil {
			t.Error("paused")
		}
		if _, err := w.agent.Freeze(w.t.Context(), api.FreezeRequest{Target: "app"}); err == nil {
			t.Error("frozen")
		}
		if got, err := w.agent.Release(w.t.Context(), api.ReleaseRequest{All: true}); err == nil && (len(got) != 1 || got[0].ActionID != "" || got[0].Done) {
			t.Errorf("released: %+v", got)
		}
		w.pass(time.Minute)
		if got := w.driver.Sizes("app")[policy.CPU]; got != policy.Amount(2000) {
			t.Errorf("cpu is %s", got)
		}
	})
}
