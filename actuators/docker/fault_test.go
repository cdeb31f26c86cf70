package docker_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/docker"
	"github.com/engramd/engramd/policy"
)

const limited = `{"NanoCpus":2000000000,"Memory":268435456,"MemorySwap":536870912,"MemoryReservation":0,"NetworkMode":"front","RestartPolicy":{"Name":"always"}}`
const unlimited = `{"NanoCpus":0,"Memory":0,"MemorySwap":0,"MemoryReservation":0,"NetworkMode":"front","RestartPolicy":{"Name":"always"}}`

// A change is one plan to be interrupted at every call.
type change struct {
	name   string
	host   string
	to     policy.Size
	target func(*policy.Target)
}

var changes = []change{
	{"live cpu", limited, size(policy.CPU, 4000), func(*policy.Target) {}},
	{"live memory", limited, size(policy.Memory, 512<<20), func(*policy.Target) {}},
	{"live memory decrease", limited, size(policy.Memory, 128<<20), func(*policy.Target) {}},
	{"restart", limited, size(policy.CPU, 4000), byRestart(policy.CPU)},
	{"adopted memory", unlimited, size(policy.Memory, 512<<20), func(t *policy.Target) { t.AdoptUnlimited = true }},
}

// planOn plans the change on a fresh daemon in memory.
func (c change) planOn(t *testing.T) (*fakeAPI, policy.Target, actuators.Plan) {
	t.Helper()
	f := newFakeAPI(t)
	f.add("engram", c.host)
	target := targetAt(f.host(), "engram", c.target)
	driver := newDriver(t)
	st, err := driver.Observe(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	p, err := driver.Plan(target, st, c.to)
	if err != nil {
		t.Fatal(err)
	}
	f.reset()
	return f, target, p
}

func newDriver(t *testing.T) *docker.Driver {
	driver := docker.New(nil)
	t.Cleanup(func() { driver.Close() })
	return driver
}

// carry does the steps until one fails, and returns those that were begun.
func carry(ctx context.Context, d *docker.Driver, target policy.Target, p actuators.Plan) ([]actuators.Step, error) {
	for i, s := range p.Steps {
		if err := d.Do(ctx, target, s); err != nil {
			return p.Steps[:i+1], err
		}
	}
	return p.Steps, nil
}

// back undoes the steps, the last first, each as often as its failure is transient.
func back(ctx context.Context, d *docker.Driver, target policy.Target, steps []actuators.Step) error {
	for _, s := range slices.Backward(steps) {
		for tries := 0; ; tries++ {
			err := d.Undo(ctx, target, s)
			if err == nil {
				break
			}
			if !errors.Is(err, actuators.ErrTransient) || tries == 10 {
				return fmt.Errorf("undo %s: %w", s.Text, err)
			}
		}
	}
	return nil
}

// asBefore checks that there is one container, running under its name, as it was.
func asBefore(t *testing.T, c change, f *fakeAPI, before []string) {
	t.Helper()
	after := f.snapshot()
	if c.name == "adopted memory" && len(after) == 1 { // another container, and otherwise the same
		after[0] = before[0][:len("engram ")] + before[0][len("engram "):len("engram ")+8] + after[0][len("engram ")+8:]
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("not as before (-before +after):\n%s", diff)
	}
}

// TestUndoAfterAFaultAtEveryCall interrupts each change at each call to the daemon, in each way, and
// has another process, which never saw it begin, undo it.
func TestUndoAfterAFaultAtEveryCall(t *testing.T) {
	for _, c := range changes {
		for _, wrong := range []fault{dropped, late, status500, status409, status404, garbage} {
			t.Run(fmt.Sprintf("%s/%d", c.name, wrong), func(t *testing.T) {
				for nth := 1; ; nth++ {
					f, target, p := c.planOn(t)
					before := f.snapshot()
					f.breakAt(func(n int, _ *http.Request) fault {
						if n == nth {
							return wrong
						}
						return noFault
					})
					begun, err := carry(t.Context(), newDriver(t), target, p)
					reached := f.count() >= nth
					f.breakAt(nil)
					if err := back(t.Context(), newDriver(t), target, begun); err != nil {
						t.Fatalf("call %d went wrong (%v): %v\n%v", nth, err, err, f.snapshot())
					}
					asBefore(t, c, f, before)
					if t.Failed() {
						t.Fatalf("after fault %d at call %d (%v)", wrong, nth, err)
					}
					if !reached {
						return
					}
				}
			})
		}
	}
}

// TestRetryAfterAFaultAtEveryCall does each step again after a transient fault, as the executor does,
// and must come through.
func TestRetryAfterAFaultAtEveryCall(t *testing.T) {
	for _, c := range changes {
		for _, wrong := range []fault{dropped, late} {
			t.Run(fmt.Sprintf("%s/%d", c.name, wrong), func(t *testing.T) {
				_, _, plain := c.planOn(t)
				for nth := 1; ; nth++ {
					f, target, p := c.planOn(t)
					if diff := cmp.Diff(plain.Steps, p.Steps); diff != "" {
						t.Fatalf("the same plan differs:\n%s", diff)
					}
					f.breakAt(func(n int, _ *http.Request) fault {
						if n == nth {
							return wrong
						}
						return noFault
					})
					driver := newDriver(t)
					for _, s := range p.Steps {
						for tries := 0; ; tries++ {
							err := driver.Do(t.Context(), target, s)
							if err == nil {
								break
							}
							if !errors.Is(err, actuators.ErrTransient) || tries > 3 {
								t.Fatalf("fault at call %d: %s: %v", nth, s.Text, err)
							}
						}
					}
					st, err := driver.Observe(t.Context(), target)
					if err != nil {
						t.Fatal(err)
					}
					for r, want := range c.to {
						if got := st.Parts[0].Configured[r]; got != want || !st.Parts[0].Running {
							t.Errorf("fault at call %d: %s is %v, running %t; want %v", nth, r, got, st.Parts[0].Running, want)
						}
					}
					reached := f.count() >= nth
					if err := driver.Finish(t.Context(), target, p.Steps); err != nil {
						t.Fatal(err)
					}
					if all := f.snapshot(); len(all) != 1 || !strings.Contains(all[0], "networks=[back front]") || !strings.Contains(all[0], "restart=always") {
						t.Errorf("fault at call %d: left %v", nth, all)
					}
					if !reached {
						return
					}
				}
			})
		}
	}
}

// TestUndoAfterAFaultInTheUndo interrupts the undo, too, at each call, and has a third process end it.
func TestUndoAfterAFaultInTheUndo(t *testing.T) {
	for _, c := range changes {
		for _, wrong := range []fault{dropped, late} {
			t.Run(fmt.Sprintf("%s/%d", c.name, wrong), func(t *testing.T) {
				for nth := 1; ; nth++ {
					f, target, p := c.planOn(t)
					before := f.snapshot()
					begun, err := carry(t.Context(), newDriver(t), target, p)
					if err != nil {
						t.Fatal(err)
					}
					f.reset()
					f.breakAt(func(n int, _ *http.Request) fault {
						if n == nth {
							return wrong
						}
						return noFault
					})
					first := newDriver(t)
					for _, s := range slices.Backward(begun) {
						if first.Undo(t.Context(), target, s) != nil {
							break // the process dies here
						}
					}
					reached := f.count() >= nth
					f.breakAt(nil)
					if err := back(t.Context(), newDriver(t), target, begun); err != nil {
						t.Fatalf("call %d of the undo went wrong: %v\n%v", nth, err, f.snapshot())
					}
					asBefore(t, c, f, before)
					if !reached || t.Failed() {
						return
					}
				}
			})
		}
	}
}

func TestFaultsBecomeTheContractsErrors(t *testing.T) {
	tests := []struct {
		name  string
		wrong fault
		call  string // the fault hits calls with this
		do    bool   // a step, else an observation
		is    error
		say   string
	}{
		{"connection breaks", dropped, "/json", false, actuators.ErrTransient, "dockerd"},
		{"garbage", garbage, "/json", false, nil, "makes no sense"},
		{"endless", endless, "/json", false, nil, "larger than"},
		{"endless list", endless, "/update", true, nil, "larger than"},
		{"no such container", status404, "/json", false, actuators.ErrNotFound, "engram"},
		{"server error", status500, "/json", false, nil, "something broke"},
		{"busy memory", ebusy, "/update", true, actuators.ErrRefused, "current usage"},
		{"hangs", hang, "/json", false, actuators.ErrTransient, "in time"},
		{"hangs at the first word", hang, "/_ping", false, actuators.ErrTransient, "in time"},
		{"fails at the first word", status409, "/_ping", false, nil, "conflict"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f, target, p := changes[1].planOn(t)
			f.breakAt(func(_ int, r *http.Request) fault {
				if strings.Contains(r.URL.Path, test.call) {
					return test.wrong
				}
				return noFault
			})
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			if test.wrong != hang {
				ctx, cancel = context.WithTimeout(t.Context(), 30*time.Second)
			}
			defer cancel()
			driver := newDriver(t)
			var err error
			if test.do {
				err = driver.Do(ctx, target, p.Steps[0])
			} else {
				_, err = driver.Observe(ctx, target)
			}
			if err == nil || test.is != nil && !errors.Is(err, test.is) || test.is == nil && errors.Is(err, actuators.ErrTransient) || !strings.Contains(err.Error(), test.say) {
				t.Errorf("got %v; want %v that says %q", err, test.is, test.say)
			}
		})
	}
}

func TestSocketThatIsNotThere(t *testing.T) {
	target := targetAt("unix://"+t.TempDir()+"/docker.sock", "engram")
	_, err := newDriver(t).Observe(t.Context(), target)
	if !errors.Is(err, actuators.ErrTransient) || !strings.Contains(err.Error(), "is dockerd running") {
		t.Errorf("got %v, want a transient error with the remedy", err)
	}
}
