package threads_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/engramd/engramd/node/threads"
	"github.com/google/go-cmp/cmp"
)

// A room is what a worker keeps; only one job may be in it.
type room struct{ jobs, guests int }

func newPool(t *testing.T, o threads.PoolOptions[*room]) *threads.Pool[*room] {
	t.Helper()
	o.Name, o.New = "spreads", func() *room { return &room{} }
	p, err := threads.NewPool(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// A job waits until it is told to end.
type job struct{ begun, end chan struct{} }

func start(t *testing.T, p *threads.Pool[*room]) (*job, <-chan error) {
	t.Helper()
	j, result := &job{make(chan struct{}), make(chan struct{})}, make(chan error, 1)
	go func() {
		result <- p.Do(t.Context(), func(*room) error {
			close(j.begun)
			<-j.end
			return nil
		})
	}()
	return j, result
}

func has(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

func TestQueueIsBoundedAndFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, threads.PoolOptions[*room]{Workers: 1, Queue: 2})
		var jobs []*job
		var results []<-chan error
		for range 3 {
			j, r := start(t, p)
			jobs, results = append(jobs, j), append(results, r)
			synctest.Wait()
		}
		if s := p.Stats(); s.Busy != 1 || s.QueueDepth != 2 {
			t.Errorf("%+v", s)
		}
		if err := p.Do(t.Context(), func(*room) error { return nil }); !errors.Is(err, threads.ErrQueueFull) || !strings.HasPrefix(err.Error(), "spreads: ") {
			t.Errorf("a fourth: %v", err)
		}
		for i, j := range jobs {
			synctest.Wait()
			if !has(j.begun) || i < 2 && has(jobs[i+1].begun) {
				t.Errorf("job %d is not the one that runs", i)
			}
			close(j.end)
			if err := <-results[i]; err != nil {
				t.Error(err)
			}
		}
		want := threads.Counts{Done: 3, Refused: 1}
		if diff := cmp.Diff(want, p.Stats().Counts); diff != "" {
			t.Error(diff)
		}
	})
}

func TestWhoGivesUpLeavesTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, threads.PoolOptions[*room]{Workers: 1, Queue: 1})
		j, _ := start(t, p)
		synctest.Wait()
		why := errors.New("the client went away")
		ctx, cancel := context.WithCancelCause(t.Context())
		result := make(chan error, 1)
		go func() { result <- p.Do(ctx, func(*room) error { panic("it runs") }) }()
		synctest.Wait()
		cancel(why)
		if err := <-result; !errors.Is(err, why) {
			t.Errorf("%v", err)
		}
		if err := p.Do(ctx, func(*room) error { panic("it runs") }); !errors.Is(err, why) {
			t.Errorf("already cancelled: %v", err)
		}
		if s := p.Stats(); s.QueueDepth != 0 || s.GaveUp != 2 {
			t.Errorf("%+v", s)
		}
		close(j.end)
	})
}

func TestWorkersChangeWhileJobsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, threads.PoolOptions[*room]{Workers: 1})
		var jobs []*job
		for range 5 {
			j, _ := start(t, p)
			jobs = append(jobs, j)
			synctest.Wait()
		}
		running := func() (n int) {
			synctest.Wait()
			for _, j := range jobs {
				if has(j.begun) && !has(j.end) {
					n++
				}
			}
			return n
		}
		set := func(n int) {
			t.Helper()
			if err := p.SetWorkers(n); err != nil {
				t.Fatal(err)
			}
		}
		set(4)
		if got := running(); got != 4 {
			t.Errorf("%d of 4 run", got)
		}
		set(2) // four run
		close(jobs[0].end)
		close(jobs[1].end)
		if got := running(); got != 2 || has(jobs[4].begun) {
			t.Errorf("%d run", got)
		}
		close(jobs[2].end)
		if got := running(); got != 2 || !has(jobs[4].begun) {
			t.Errorf("%d run, and the last does not", got)
		}
		if s := p.Stats(); s.Workers != 2 || s.Busy != 2 {
			t.Errorf("%+v", s)
		}
		set(3)
		set(1)
		close(jobs[3].end)
		close(jobs[4].end)
		synctest.Wait()
		if s := p.Stats(); s.Workers != 1 || s.Busy != 0 || s.Done != 5 {
			t.Errorf("%+v", s)
		}
	})
	p := newPool(t, threads.PoolOptions[*room]{})
	if err := p.SetWorkers(0); err == nil || !strings.Contains(err.Error(), "0 workers are outside 1 to") {
		t.Error(err)
	}
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, threads.PoolOptions[*room]{Workers: 1})
		j, done := start(t, p)
		synctest.Wait()
		_, waits := start(t, p)
		synctest.Wait()
		closed := make(chan struct{})
		go func() {
			p.Close()
			close(closed)
		}()
		synctest.Wait()
		if err := <-waits; !errors.Is(err, threads.ErrClosed) {
			t.Errorf("who waits: %v", err)
		}
		if has(closed) {
			t.Error("closed while a job runs")
		}
		if err := p.Do(t.Context(), func(*room) error { return nil }); !errors.Is(err, threads.ErrClosed) {
			t.Errorf("afterwards: %v", err)
		}
		close(j.end)
		if err := <-done; err != nil {
			t.Errorf("who runs: %v", err)
		}
		<-closed
		if err := p.SetWorkers(2); !errors.Is(err, threads.ErrClosed) {
			t.Errorf("change: %v", err)
		}
	})
}

// TestBadJobs leaves the workers as good as before, in their callers' goroutines and on threads of their own.
func TestBadJobs(t *testing.T) {
	for name, cores := range map[string]threads.CPUs{"unbound": nil, "bound": allowed(t)[:1]} {
		t.Run(name, func(t *testing.T) {
			p := newPool(t, threads.PoolOptions[*room]{Cores: cores})
			fault := errors.New("no such memory")
			if err := p.Do(t.Context(), func(r *room) error { r.jobs = 7; return fault }); err != fault {
				t.Error(err)
			}
			err := p.Do(t.Context(), func(r *room) error {
				if r.jobs != 7 {
					t.Error("the worker does not keep its room")
				}
				panic("index out of range")
			})
			if e, ok := errors.AsType[*threads.PanicError](err); !ok || e.Value != "index out of range" || !strings.Contains(string(e.Stack), "TestBadJobs") {
				t.Errorf("%v", err)
			}
			var exits sync.WaitGroup
			exits.Go(func() {
				_ = p.Do(t.Context(), func(r *room) error { r.jobs = 9; runtime.Goexit(); return nil })
			})
			exits.Wait()
			for range 3 {
				if err := p.Do(t.Context(), func(r *room) error {
					if r.jobs != 0 {
						t.Error("the room that was spoilt is used again")
					}
					return nil
				}); err != nil {
					t.Error(err)
				}
			}
			want := threads.Counts{Done: 6, Panicked: 2}
			if diff := cmp.Diff(want, p.Stats().Counts); diff != "" {
				t.Error(diff)
			}
			checkPlaces(t, p.Stats())
		})
	}
}

// TestManyJobsUnderChange runs jobs of many callers while workers and cores change: never two in a room, never more than there are
// workers, and every job exactly once.
func TestManyJobsUnderChange(t *testing.T) {
	const callers, each, most = 16, 300, 4
	p := newPool(t, threads.PoolOptions[*room]{Workers: 2, Queue: callers})
	var running, ran atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for i := range each {
				err := p.Do(t.Context(), func(r *room) error {
					if r.guests++; r.guests != 1 {
						t.Error("two jobs in one room")
					}
					if n := running.Add(1); n > most {
						t.Errorf("%d jobs run", n)
					}
					if i%16 == 0 {
						runtime.Gosched()
					}
					running.Add(-1)
					r.guests--
					ran.Add(1)
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	cores := allowed(t)
	for i := 0; ran.Load() < callers*each/2; i++ {
		if err := p.Shape(1+i%most, [...]threads.CPUs{nil, cores, cores[:1]}[i%3]); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	if got := ran.Load(); got != callers*each || p.Stats().Done != callers*each || p.Stats().Busy != 0 {
		t.Errorf("%d jobs ran: %+v", got, p.Stats())
	}
}
