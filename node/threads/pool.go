package threads

import (
	"container/list"
	"context"
	"fmt"
	"slices"
	"sync"
)

// maxWorkers bounds the workers of a pool: each that is bound to cores is a thread, and Go ends a process with 10,000 of them.
const maxWorkers = 1024

// PoolOptions of a pool. Zero values are defaults, but for New.
type PoolOptions[T any] struct {
	// Name is what errors call the pool.
	Name string
	// Workers is how many jobs run at once; 1.
	Workers int
	// Queue is how many jobs may wait; 1024.
	Queue int
	// Cores are what the workers are bound to, in turn; none if empty.
	Cores CPUs
	// Unpinned goes on without being bound where that is refused; Stats tells why.
	Unpinned bool
	// New makes what a worker keeps from job to job.
	New func() T
	// SetAffinity binds a thread (0: the calling one); sched_setaffinity.
	SetAffinity func(tid int, cpus CPUs) error
}

// A Pool does a bounded number of jobs at once, each with a T of its own. Its methods may be called from any goroutine.
type Pool[T any] struct {
	opts PoolOptions[T]
	set  affinity

	shaping sync.Mutex // one change of workers or cores at a time

	mu       sync.Mutex
	workers  int
	cores    CPUs
	unpinned string       // why cores are not what workers are bound to
	all      []*worker[T] // of this generation
	idle     []*worker[T] // of all; the last one worked last
	spare    []*worker[T] // of all; they begin when enough old ones have ended
	old      int          // workers of former generations that are busy
	waiting  list.List    // of *call[T]
	closed   bool
	counts   Counts

	busy  sync.WaitGroup // jobs
	lives sync.WaitGroup // threads
}

// NewPool returns a pool with its workers. Close it.
func NewPool[T any](opts PoolOptions[T]) (*Pool[T], error) {
	if opts.Workers == 0 {
		opts.Workers = 1
	}
	if opts.Queue == 0 {
		opts.Queue = 1024
	}
	p := &Pool[T]{opts: opts, set: opts.SetAffinity}
	if p.set == nil {
		p.set = setAffinity
	}
	if err := p.Shape(opts.Workers, opts.Cores); err != nil {
		return nil, err
	}
	return p, nil
}

// Do runs a job on a worker and returns its error, a [PanicError], [ErrQueueFull], [ErrClosed], or why ctx ended before a worker was
// free. A job that has begun is waited for: it watches ctx itself.
func (p *Pool[T]) Do(ctx context.Context, job func(T) error) error {
	w, err := p.acquire(ctx, job)
	if w == nil {
		return err
	}
	defer p.release(w)
	return w.run(job)
}

// acquire returns a worker to run the job on, or what came of it.
func (p *Pool[T]) acquire(ctx context.Context, job func(T) error) (*worker[T], error) {
	p.mu.Lock()
	if err := p.refusal(ctx); err != nil {
		p.mu.Unlock()
		return nil, err
	}
	if n := len(p.idle); n > 0 {
		w := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.busy.Add(1)
		p.mu.Unlock()
		if w.thread == nil {
			return w, nil
		}
		c := &call[T]{job, make(chan turn[T], 1)}
		p.hand(w, c)
		return nil, (<-c.turn).err
	}
	c := &call[T]{job, make(chan turn[T], 1)}
	place := p.waiting.PushBack(c)
	p.mu.Unlock()
	return p.wait(ctx, c, place)
}

// refusal is why a job is not even queued.
func (p *Pool[T]) refusal(ctx context.Context) error {
	switch {
	case p.closed:
		return fmt.Errorf("%s: %w", p.opts.Name, ErrClosed)
	case ctx.Err() != nil:
		p.counts.GaveUp++
		return context.Cause(ctx)
	case len(p.idle) == 0 && p.waiting.Len() >= p.opts.Queue:
		p.counts.Refused++
		return fmt.Errorf("%s: %w", p.opts.Name, ErrQueueFull)
	}
	return nil
}

func (p *Pool[T]) wait(ctx context.Context, c *call[T], place *list.Element) (*worker[T], error) {
	select {
	case t := <-c.turn:
		return t.worker, t.err
	case <-ctx.Done():
	}
	p.mu.Lock()
	if p.leave(place) {
		p.counts.GaveUp++
		p.mu.Unlock()
		return nil, context.Cause(ctx)
	}
	p.mu.Unlock()
	t := <-c.turn // it is his turn, or a thread is at the job already
	return t.worker, t.err
}

// leave takes a call from the queue, if it is still there.
func (p *Pool[T]) leave(place *list.Element) bool {
	before := p.waiting.Len()
	p.waiting.Remove(place)
	return p.waiting.Len() < before
}

// release counts the job and gives its worker to the next.
func (p *Pool[T]) release(w *worker[T]) {
	if next := p.finish(w); next != nil {
		next.turn <- turn[T]{worker: w}
	}
}

// finish counts a job and returns the one that the worker does next. Without one the worker is idle, or gone.
func (p *Pool[T]) finish(w *worker[T]) *call[T] {
	var fresh T
	if w.spoilt {
		fresh = p.opts.New()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.spoilt {
		w.value, w.spoilt = fresh, false
		p.counts.Panicked++
	}
	p.counts.Done++
	defer p.busy.Done()
	if w.old {
		p.old--
		retire(w)
		p.begin()
		return nil
	}
	return p.next(w)
}

// next takes the first call of the queue for a worker, which is idle if there is none.
func (p *Pool[T]) next(w *worker[T]) *call[T] {
	first := p.waiting.Front()
	if first == nil || p.closed {
		p.idle = append(p.idle, w)
		return nil
	}
	p.busy.Add(1)
	return p.waiting.Remove(first).(*call[T])
}

// begin lets as many spare workers begin as old ones leave room for.
func (p *Pool[T]) begin() {
	for len(p.spare) > p.old {
		w := p.spare[0]
		p.spare = p.spare[1:]
		switch c := p.next(w); {
		case c == nil:
		case w.thread == nil:
			c.turn <- turn[T]{worker: w}
		default:
			p.hand(w, c)
		}
	}
}

// SetWorkers changes how many jobs run at once. What runs goes on; where that is too many, the next ones wait.
func (p *Pool[T]) SetWorkers(n int) error { return p.Shape(n, p.Stats().Cores) }

// SetCores binds the workers to other cores, or to none. Jobs that run stay where they are.
func (p *Pool[T]) SetCores(cores CPUs) error { return p.Shape(p.Stats().Workers, cores) }

// Shape changes the number of workers and their cores together. After an error everything is as it was.
func (p *Pool[T]) Shape(n int, cores CPUs) error {
	if n < 1 || n > maxWorkers {
		return fmt.Errorf("%s: %d workers are outside 1 to %d", p.opts.Name, n, maxWorkers)
	}
	p.shaping.Lock()
	defer p.shaping.Unlock()
	if s := p.Stats(); s.Workers == n && slices.Equal(s.Cores, cores) && (s.Unpinned == "" || len(cores) == 0) {
		return nil
	}
	next, err := p.hire(n, cores)
	var unpinned string
	if err != nil && p.opts.Unpinned {
		unpinned = err.Error()
		next, err = p.hire(n, nil)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", p.opts.Name, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		retire(next...)
		return fmt.Errorf("%s: %w", p.opts.Name, ErrClosed)
	}
	p.succeed(next)
	p.workers, p.cores, p.unpinned = n, slices.Clone(cores), unpinned
	return nil
}

// hire makes workers, all or none.
func (p *Pool[T]) hire(n int, cores CPUs) ([]*worker[T], error) {
	next := make([]*worker[T], 0, n)
	for i := range n {
		w := &worker[T]{index: i, value: p.opts.New()}
		if len(cores) > 0 {
			var err error
			if w.thread, err = startThread(cores[i%len(cores)], p.set, &p.lives); err != nil {
				retire(next...)
				return nil, err
			}
		}
		next = append(next, w)
	}
	return next, nil
}

// succeed puts the next generation in the place of this one.
func (p *Pool[T]) succeed(next []*worker[T]) {
	for _, w := range p.all {
		w.old = true
	}
	p.old += len(p.all) - len(p.idle) - len(p.spare)
	retire(p.idle...)
	retire(p.spare...)
	p.all, p.idle, p.spare = next, nil, slices.Clone(next)
	p.begin()
}

// retire ends the threads of workers that have no job.
func retire[T any](ws ...*worker[T]) {
	for _, w := range ws {
		if w.thread != nil {
			w.thread.stop()
		}
	}
}

// Close refuses all jobs that have not begun, waits for the others, and ends all threads.
func (p *Pool[T]) Close() {
	p.mu.Lock()
	already := p.closed
	p.closed = true
	for e := p.waiting.Front(); e != nil; e = p.waiting.Front() {
		p.waiting.Remove(e).(*call[T]).turn <- turn[T]{err: fmt.Errorf("%s: %w", p.opts.Name, ErrClosed)}
	}
	p.mu.Unlock()
	p.busy.Wait()
	if !already {
		p.mu.Lock()
		retire(p.idle...)
		retire(p.spare...)
		p.mu.Unlock()
	}
	p.lives.Wait()
}
