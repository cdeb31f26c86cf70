package demo

import (
	"context"
	"errors"
	"io"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/demo/show"
)

// Options of a demo.
type Options struct {
	// Registry has the platforms, of which it uses the node's.
	Registry actuators.Registry
	Version  string
	// DataDir is a new or empty directory; "" is a new one among the temporary files.
	DataDir string
	// Terminal is the live view; nil is plain lines to Lines.
	Terminal *show.Terminal
	Lines    io.Writer
}

// ErrIncomplete says that not everything happened that the demo is for.
var ErrIncomplete = errors.New("not everything happened")

// ErrInterrupted says that the person left, or a signal came.
var ErrInterrupted = errors.New("interrupted: nothing of it is left")

// Run plays the demo, and returns what happened. The error is an [ErrIncomplete] beside a summary, an
// [ErrInterrupted], or what failed.
func Run(ctx context.Context, o Options) (Summary, error) {
	p, err := openPlace(o.DataDir)
	if err != nil {
		return Summary{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s, err := openStage(ctx, o, p)
	if err != nil {
		return Summary{}, errors.Join(err, p.remove())
	}
	sum, err := perform(ctx, cancel, o, s)
	err = errors.Join(err, s.close())
	if err != nil {
		// What fails on the way out is part of why we go.
		switch cause := context.Cause(ctx); {
		case errors.Is(cause, context.Canceled):
			err = ErrInterrupted
		case cause != nil:
			err = cause
		}
		return Summary{}, errors.Join(err, p.remove())
	}
	if err := p.slim(); err != nil {
		return sum, err
	}
	return sum, sum.err()
}

// perform runs the director and the screen beside one another until the demo is over.
func perform(ctx context.Context, leave context.CancelCauseFunc, o Options, s *stage) (sum Summary, err error) {
	states := make(chan show.State)
	d := newDirector(s, states)
	directed := make(chan struct{})
	go func() {
		defer close(directed)
		defer close(states)
		if err = d.direct(ctx); err == nil {
			sum, err = d.summarize(ctx)
		}
	}()
	drawn := draw(ctx, leave, o, states)
	for range states { // the screen went first: the director may want to show something still
	}
	<-directed
	return sum, errors.Join(err, drawn)
}

// draw shows every state until there are no more.
func draw(ctx context.Context, leave context.CancelCauseFunc, o Options, states <-chan show.State) error {
	if o.Terminal != nil {
		err := o.Terminal.Run(ctx, states, func() { leave(ErrInterrupted) })
		if err != nil {
			leave(err)
		}
		return err
	}
	var last show.State
	for s := range states {
		for _, line := range show.Lines(last, s) {
			if _, err := io.WriteString(o.Lines, line+"\n"); err != nil {
				leave(err) // a closed pipe: nobody looks any more
				return err
			}
		}
		last = s
	}
	return nil
}
