package systemd_test

import (
	"fmt"
	"syscall"
	"testing"

	godbus "github.com/godbus/dbus/v5"
)

// A killer lets everything fail from one point of a change on, as if the process had been killed there:
// before a call had its effect, after it, or before a file was changed.
type killer struct {
	at, passed int
}

func (k *killer) pass(err error) error {
	k.passed++
	if k.at > 0 && k.passed >= k.at {
		return err
	}
	return nil
}

func (k *killer) arm(m *model) {
	bus := func(string) error { return k.pass(godbus.ErrClosed) }
	m.before, m.after = bus, bus
	m.fileFault = func(string, string) error { return k.pass(syscall.ENOSPC) }
}

func disarm(m *model) { m.before, m.after, m.fileFault = nil, nil, nil }

// TestKilledWhileChanging wants an undo to bring everything back, whatever point the change got to,
// and a do to make it good.
func TestKilledWhileChanging(t *testing.T) {
	for _, s := range scenarios() {
		for _, again := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, do again %t", s.name, again), func(t *testing.T) {
				for at := 1; killedAt(t, s, at, again); at++ {
				}
			})
		}
	}
}

// killedAt reports whether the change has such a point.
func killedAt(t *testing.T, s scenario, at int, again bool) bool {
	t.Helper()
	k := &killer{at: at}
	g := s.set(t)
	k.arm(g.model)
	err := g.do(t)
	disarm(g.model)
	if err == nil {
		return false
	}
	if again {
		if err := g.do(t); err != nil {
			t.Fatalf("do again after point %d: %v", at, err)
		}
		g.holds(t, s.resource, s.to, fmt.Sprintf("do again after point %d", at))
		g.reloadAll()
		g.holds(t, s.resource, s.to, fmt.Sprintf("a daemon-reload after do again after point %d", at))
	}
	if err := g.undo(t); err != nil {
		t.Fatalf("undo after point %d: %v", at, err)
	}
	g.asBefore(t, fmt.Sprintf("undo after point %d", at))
	g.reloadAll()
	g.asBefore(t, fmt.Sprintf("a daemon-reload after point %d", at))
	return true
}

// TestKilledWhileReleasing wants a second release to finish what the first one began.
func TestKilledWhileReleasing(t *testing.T) {
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			for at := 1; ; at++ {
				g := s.set(t)
				if err := g.do(t); err != nil {
					t.Fatal(err)
				}
				k := &killer{at: at}
				k.arm(g.model)
				err := g.driver().Release(t.Context(), g.target)
				disarm(g.model)
				if err == nil {
					break
				}
				if err := g.driver().Release(t.Context(), g.target); err != nil {
					t.Fatalf("release again after point %d: %v", at, err)
				}
				g.noneLeft(t, fmt.Sprintf("release again after point %d", at))
			}
		})
	}
}

// TestKilledWhileUndoing wants a second undo to finish what the first one began.
func TestKilledWhileUndoing(t *testing.T) {
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			for at := 1; ; at++ {
				k := &killer{at: at}
				g := s.set(t)
				if err := g.do(t); err != nil {
					t.Fatal(err)
				}
				k.arm(g.model)
				err := g.undo(t)
				disarm(g.model)
				if err == nil {
					break
				}
				if err := g.undo(t); err != nil {
					t.Fatalf("undo again after point %d: %v", at, err)
				}
				g.asBefore(t, fmt.Sprintf("undo again after point %d", at))
			}
		})
	}
}
