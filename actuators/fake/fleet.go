package fake

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// A Fleet is a platform with one workload of several pods that come and go by themselves, as Kubernetes
// has them: a driver with late parts ([actuators.Reconciler]), marks, events and locks of its own. It is
// the meter, too. The zero value is not usable; see [NewFleet].
type Fleet struct {
	Locks *Locks
	// StartFor is how long a new pod takes to run. Named has a new pod bear the name of the one that it
	// replaces, as in a StatefulSet.
	StartFor time.Duration
	Named    bool

	mu        sync.Mutex
	cores     func(now time.Time) float64 // what each pod wants
	template  policy.Size
	committed policy.Size // for late pods; absent where nothing was committed
	pods      []*fleetPod
	serial    int
	paused    string
	history   []narrowest
	events    []policy.Event
	fail      map[string]error // by operation
	hang      map[string]bool
	calls     map[string]int
	before    map[string]func() // runs before an operation, once
}

type fleetPod struct {
	id, name string
	size     policy.Size
	runsAt   time.Time
	started  time.Time
	down     bool
}

// narrowest is the smallest CPU limit of a running pod from a moment on.
type narrowest struct {
	since time.Time
	milli int64 // 0: no pod runs
}

// NewFleet returns a platform with a workload of n pods.
func NewFleet(n int, template policy.Size) *Fleet {
	f := &Fleet{
		Locks: &Locks{}, template: clone(template), committed: policy.Size{},
		fail: map[string]error{}, hang: map[string]bool{}, calls: map[string]int{}, before: map[string]func(){},
	}
	for range n {
		f.add("")
	}
	for _, p := range f.pods {
		p.runsAt = p.started
	}
	f.remember()
	return f
}

// add makes a pod from the template; f.mu is held, or nobody knows f yet.
func (f *Fleet) add(name string) {
	f.serial++
	now := time.Now()
	p := &fleetPod{id: fmt.Sprintf("uid-%d", f.serial), name: name, size: clone(f.template), started: now, runsAt: now.Add(f.StartFor)}
	if name == "" {
		p.name = fmt.Sprintf("app-%d", f.serial)
	}
	f.pods = append(f.pods, p)
}

func (p *fleetPod) runs() bool { return !p.down && !time.Now().Before(p.runsAt) }

// Want says what each pod wants of CPU, in cores; without it that is half a core.
func (f *Fleet) Want(cores func(now time.Time) float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cores = cores
}

// Delete deletes the pod with the index, and its controller makes another one from the template.
func (f *Fleet) Delete(i int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.replace(i)
	f.remember()
}

func (f *Fleet) replace(i int) {
	name := ""
	if f.Named {
		name = f.pods[i].name
	}
	f.pods = slices.Delete(f.pods, i, i+1)
	f.add(name)
}

// Rollout replaces every pod, as its user does; a template that is not nil is the new one.
func (f *Fleet) Rollout(template policy.Size) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if template != nil {
		f.template, f.committed = clone(template), policy.Size{} // the user chose
	}
	for range len(f.pods) {
		f.replace(0)
	}
	f.remember()
}

// Scale adds or removes pods, the newest first.
func (f *Fleet) Scale(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.pods) < n {
		f.add("")
	}
	f.pods = f.pods[:n]
	f.remember()
}

// Set changes one pod behind engramd's back.
func (f *Fleet) Set(i int, res policy.Resource, q policy.Quantity) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pods[i].size[res] = q
	f.remember()
}

// Down has a pod not run, for good.
func (f *Fleet) Down(i int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pods[i].down = true
	f.remember()
}

// Pause pauses the workload on the platform, "" ends it.
func (f *Fleet) Pause(why string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.paused = why
}

// Fail has an operation (observe, do, undo, reconcile, release, event) answer err; nil ends that.
func (f *Fleet) Fail(op string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail[op] = err
}

// Hang has an operation answer only when its context ends; false ends that.
func (f *Fleet) Hang(op string, on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hang[op] = on
}

// Before has do run right before the next operation of that kind.
func (f *Fleet) Before(op string, do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before[op] = do
}

// Calls says how many calls of an operation there were.
func (f *Fleet) Calls(op string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[op]
}

// Sizes lists what the pods have of a resource, oldest first.
func (f *Fleet) Sizes(res policy.Resource) (all []policy.Quantity) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.pods {
		all = append(all, p.size[res])
	}
	return all
}

// Committed is the size that late pods are to have; it is one of our marks on the platform.
func (f *Fleet) Committed() policy.Size {
	f.mu.Lock()
	defer f.mu.Unlock()
	return clone(f.committed)
}

// Events lists what was recorded.
func (f *Fleet) Events() []policy.Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.events)
}

// op runs effect as one call, with the faults there are.
func (f *Fleet) op(ctx context.Context, op string, effect func() error) error {
	f.mu.Lock()
	f.calls[op]++
	before, fail, hang := f.before[op], f.fail[op], f.hang[op]
	delete(f.before, op)
	f.mu.Unlock()
	if before != nil {
		before()
	}
	if hang {
		<-ctx.Done()
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if fail != nil {
		return fail
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	defer f.remember()
	return effect()
}

// Resources implements [actuators.Driver].
func (f *Fleet) Resources() []policy.Resource { return []policy.Resource{policy.CPU, policy.Memory} }

// Observe implements [actuators.Driver].
func (f *Fleet) Observe(ctx context.Context, _ policy.Target) (st actuators.State, err error) {
	err = f.op(ctx, "observe", func() error {
		raw, err := json.Marshal(f.committed)
		if err != nil {
			return err
		}
		st.Paused = f.paused
		for _, p := range f.pods {
			st.Parts = append(st.Parts, actuators.Part{
				ID: p.id, Name: p.name, StartedAt: p.started, Running: p.runs(), Healthy: "healthy",
				Configured: clone(p.size), Effective: clone(p.size), Raw: raw,
			})
		}
		return nil
	})
	return st, err
}

// Lock implements [actuators.Locker].
func (f *Fleet) Lock(ctx context.Context, t policy.Target, holder string) (actuators.Lock, []actuators.Action, error) {
	l, left, err := f.Locks.Lock(ctx, t.Name, holder)
	if err != nil {
		return nil, nil, err
	}
	return l, left, nil
}

// Reconcile implements [actuators.Reconciler].
func (f *Fleet) Reconcile(ctx context.Context, _ policy.Target) (done []string, err error) {
	err = f.op(ctx, "reconcile", func() error {
		for _, p := range f.pods {
			for _, res := range slices.Sorted(maps.Keys(f.committed)) {
				if to := f.committed[res]; p.runs() && p.size[res] != to {
					done = append(done, fmt.Sprintf("%s %s %s -> %s", p.name, res, res.Format(p.size[res]), res.Format(to)))
					p.size[res] = to
				}
			}
		}
		return nil
	})
	return done, err
}

// Release implements [actuators.Releaser].
func (f *Fleet) Release(ctx context.Context, _ policy.Target) error {
	return f.op(ctx, "release", func() error {
		f.committed = policy.Size{}
		return nil
	})
}

// RecordEvent implements [actuators.Recorder].
func (f *Fleet) RecordEvent(ctx context.Context, _ policy.Target, e policy.Event) error {
	return f.op(ctx, "event", func() error {
		f.events = append(f.events, e)
		return nil
	})
}
