package agent

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/fake"
	"github.com/engramd/engramd/agent/events"
	"github.com/engramd/engramd/policy"
)

// A life is one process of the agent, and everything through which it reaches the world: once it was
// killed nothing comes through any more.
type life struct {
	world *world
	agent *Agent
	dead  atomic.Bool
	stop  func()

	mu      sync.Mutex
	watcher func(policy.Event)      // hears of every event
	until   func(policy.Event) bool // the event at which this life stands still, to be killed
	still   chan struct{}           // closed when it does
	end     chan struct{}           // closed to let it go on, dead
}

var errDead = errors.New("this process was killed")

// killAt runs the world until the event that at picks was told, kills the agent at this very moment,
// as SIGKILL does, and leaves it to the caller to start another.
func (w *world) killAt(what string, at func(policy.Event) bool) {
	w.t.Helper()
	l := w.life
	still, end := make(chan struct{}), make(chan struct{})
	l.mu.Lock()
	l.until, l.still, l.end = at, still, end
	l.mu.Unlock()
	select {
	case <-still:
	case <-time.After(24 * time.Hour):
		w.t.Fatalf("never came to %s", what)
	}
	synctest.Wait()
	w.note("killed: " + what)
	w.kill(end)
}

// killNow kills the agent while nothing happens.
func (w *world) killNow() {
	w.t.Helper()
	synctest.Wait()
	w.note("killed")
	end := make(chan struct{})
	w.kill(end)
}

// kill ends a life: what is on disk now is what the next one finds, and the kernel lets its locks go.
func (w *world) kill(end chan struct{}) {
	w.t.Helper()
	l := w.life
	l.dead.Store(true)
	next := w.t.TempDir()
	if err := os.CopyFS(next, os.DirFS(w.dir)); err != nil {
		w.t.Fatal(err)
	}
	for _, c := range l.agent.claims.all {
		if c.isRemote() {
			w.fleet.Locks.Die(l.agent.holder)
			continue
		}
		if c.lock != nil {
			if err := c.lock.Close(); err != nil {
				w.t.Error(err)
			}
		}
	}
	close(end)
	w.stop()
	w.dir = next
}

// watch has f hear of every event, in the middle of it; nil ends that.
func (l *life) watch(f func(policy.Event)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watcher = f
}

// Emit implements [actuators.EventSink]. The dead tell nothing.
func (l *life) Emit(e policy.Event) {
	if l.dead.Load() {
		return
	}
	l.world.trace.Emit(e)
	l.mu.Lock()
	watcher := l.watcher
	l.mu.Unlock()
	if watcher != nil {
		watcher(e)
	}
	l.mu.Lock()
	hit := l.until != nil && l.until(e)
	still, end := l.still, l.end
	if hit {
		l.until = nil
	}
	l.mu.Unlock()
	if hit {
		close(still)
		<-end
	}
}

func (*life) Run(ctx context.Context) error { <-ctx.Done(); return nil }
func (*life) Reload(events.Config) error    { return nil }

// RoundTrip implements [http.RoundTripper].
func (l *life) RoundTrip(r *http.Request) (*http.Response, error) {
	if l.dead.Load() {
		return nil, errDead
	}
	return l.world.driver.Transport().RoundTrip(r)
}

// collect observes the targets at every interval, as telemetry does: bounded in time, each by itself,
// and a second before the loop's tick, so that a golden trace does not depend on who is first.
func (l *life) collect(ctx context.Context) error {
	a := l.agent
	interval := a.opts.Config.Metrics.Interval
	busy := map[*target]*atomic.Bool{}
	var looks sync.WaitGroup
	defer looks.Wait()
	for wait := interval - time.Second; ; wait = interval {
		targets, _ := call(ctx, a.inbox, func() ([]*target, error) {
			var all []*target
			for _, name := range a.loop.names() {
				all = append(all, a.loop.targets[name])
			}
			return all, nil
		})
		for _, t := range targets {
			if busy[t] == nil {
				busy[t] = &atomic.Bool{}
			}
			at := busy[t]
			if !at.CompareAndSwap(false, true) {
				continue
			}
			looks.Go(func() {
				defer at.Store(false)
				limited, cancel := context.WithTimeout(ctx, 5*time.Second)
				defer cancel()
				_, _ = t.observer.observe(limited)
			})
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
	}
}

// platform is the fake platform as this life reaches it.
func (l *life) platform() actuators.Driver {
	if l.world.fleet != nil {
		return mortalFleet{l.world.fleet, &l.dead}
	}
	d := mortal{l.world.driver, &l.dead, &l.world.hangs}
	if l.world.keyed {
		return keyed{d, l.world.slowKey}
	}
	return d
}

// mortal is a driver that dies with its process.
type mortal struct {
	*fake.Driver
	dead  *atomic.Bool
	hangs *atomic.Pointer[string]
}

func (m mortal) alive() error {
	if m.dead.Load() {
		return errDead
	}
	return nil
}

func (m mortal) Observe(ctx context.Context, t policy.Target) (actuators.State, error) {
	if err := m.alive(); err != nil {
		return actuators.State{}, err
	}
	if service := m.hangs.Load(); service != nil && *service == t.Name {
		<-ctx.Done()
		return actuators.State{}, ctx.Err()
	}
	return m.Driver.Observe(ctx, t)
}

func (m mortal) Do(ctx context.Context, t policy.Target, s actuators.Step) error {
	if err := m.alive(); err != nil {
		return err
	}
	return m.Driver.Do(ctx, t, s)
}

func (m mortal) Undo(ctx context.Context, t policy.Target, s actuators.Step) error {
	if err := m.alive(); err != nil {
		return err
	}
	return m.Driver.Undo(ctx, t, s)
}

func (m mortal) Finish(ctx context.Context, t policy.Target, steps []actuators.Step) error {
	if err := m.alive(); err != nil {
		return err
	}
	return m.Driver.Finish(ctx, t, steps)
}

// mortalFleet is a fleet that its process reaches while it lives.
type mortalFleet struct {
	*fake.Fleet
	dead *atomic.Bool
}

func (m mortalFleet) alive() error {
	if m.dead.Load() {
		return errDead
	}
	return nil
}

func (m mortalFleet) Observe(ctx context.Context, t policy.Target) (actuators.State, error) {
	if err := m.alive(); err != nil {
		return actuators.State{}, err
	}
	return m.Fleet.Observe(ctx, t)
}

func (m mortalFleet) Do(ctx context.Context, t policy.Target, s actuators.Step) error {
	return errors.Join(m.alive(), m.does(func() error { return m.Fleet.Do(ctx, t, s) }))
}

func (m mortalFleet) Undo(ctx context.Context, t policy.Target, s actuators.Step) error {
	return errors.Join(m.alive(), m.does(func() error { return m.Fleet.Undo(ctx, t, s) }))
}

func (m mortalFleet) Release(ctx context.Context, t policy.Target) error {
	return errors.Join(m.alive(), m.does(func() error { return m.Fleet.Release(ctx, t) }))
}

func (m mortalFleet) RecordEvent(ctx context.Context, t policy.Target, e policy.Event) error {
	return errors.Join(m.alive(), m.does(func() error { return m.Fleet.RecordEvent(ctx, t, e) }))
}

func (m mortalFleet) Reconcile(ctx context.Context, t policy.Target) ([]string, error) {
	if err := m.alive(); err != nil {
		return nil, err
	}
	return m.Fleet.Reconcile(ctx, t)
}

func (m mortalFleet) does(f func() error) error {
	if m.alive() != nil {
		return nil
	}
	return f()
}

func (m mortalFleet) Lock(ctx context.Context, t policy.Target, holder string) (actuators.Lock, []actuators.Action, error) {
	if err := m.alive(); err != nil {
		return nil, nil, err
	}
	l, left, err := m.Fleet.Lock(ctx, t, holder)
	if err != nil {
		return nil, nil, err
	}
	return mortalLock{l, m}, left, nil
}

// mortalLock is a lock that the dead neither check nor give back.
type mortalLock struct {
	actuators.Lock
	m mortalFleet
}

func (l mortalLock) Check() error { return errors.Join(l.m.alive(), l.m.does(l.Lock.Check)) }
func (l mortalLock) Close() error { return l.m.does(l.Lock.Close) }
func (l mortalLock) Record(a actuators.Action) error {
	return errors.Join(l.m.alive(), l.m.does(func() error { return l.Lock.Record(a) }))
}
func (l mortalLock) Clear(id string) error {
	return errors.Join(l.m.alive(), l.m.does(func() error { return l.Lock.Clear(id) }))
}

// keyed is a driver whose targets other agents on the host may want, too. It may be slow to name them,
// whatever anybody's patience.
type keyed struct {
	mortal
	slow time.Duration
}

func (k keyed) Key(_ context.Context, t policy.Target) (string, error) {
	if err := k.alive(); err != nil {
		return "", err
	}
	time.Sleep(k.slow)
	return "fake/" + t.Specs[fake.Name].(*fake.Spec).Service, nil
}

// lockedBuffer takes log lines from several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
