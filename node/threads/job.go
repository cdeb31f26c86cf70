package threads

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// What a pool refuses a job with.
var (
	ErrQueueFull = errors.New("too many jobs wait already: try again later")
	ErrClosed    = errors.New("the workers have stopped")
)

// A PanicError is what a job panicked with.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// errExit is the result of a job that ended its goroutine instead of returning.
var errExit = errors.New("the job ended its goroutine (runtime.Goexit)")

// protect runs a job and turns its panic into an error.
func protect[T any](value T, job func(T) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &PanicError{r, debug.Stack()}
		}
	}()
	return job(value)
}
