package threads

// A worker does one job at a time.
type worker[T any] struct {
	index  int
	value  T
	thread *thread // nil: jobs run in their callers' goroutines
	old    bool    // there is another generation by now
	spoilt bool    // a job did not return, with the value in its hands
}

// run runs a job where it is called.
func (w *worker[T]) run(job func(T) error) error {
	w.spoilt = true
	err := protect(w.value, job)
	_, w.spoilt = err.(*PanicError)
	return err
}

// A call is a job and what its caller waits for.
type call[T any] struct {
	job  func(T) error
	turn chan turn[T] // takes one
}

// A turn is a worker to run the job on, or the end of a job that a thread has run, or of the wait for either.
type turn[T any] struct {
	worker *worker[T]
	err    error
}

// serve runs a job on the worker's thread, and those that wait after it: between two jobs nobody is woken but whoever has his result.
func (p *Pool[T]) serve(w *worker[T], c *call[T]) {
	for c != nil {
		c = p.serveOne(w, c)
	}
}

func (p *Pool[T]) serveOne(w *worker[T], c *call[T]) (next *call[T]) {
	err := errExit
	defer func() {
		next = p.finish(w)
		c.turn <- turn[T]{err: err}
		if err == errExit && next != nil { // this goroutine ends; the thread's next one goes on
			p.hand(w, next)
		}
	}()
	err = w.run(c.job)
	return nil
}

// hand gives a job to a worker whose thread has none.
func (p *Pool[T]) hand(w *worker[T], c *call[T]) {
	w.thread.jobs <- func() { p.serve(w, c) }
}
