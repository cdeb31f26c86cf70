package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/engramd/engramd/node/api"
)

// A Client is the node that lines are sent to; [api.Client] is one.
type Client interface {
	Import(ctx context.Context, space string, lines io.Reader, o api.ImportOptions, each func(api.ImportResult) error) (api.ImportResult, error)
}

// An Import takes lines from a file to a node.
type Import struct {
	File  string    // or Stdin
	In    io.Reader // the standard input
	Space string    // "" is the default space
	From  int       // the number of the first line that is sent; 0 is 1
	// Resume goes on where a note beside the file says that an import of it was cut off.
	Resume bool
	Strict bool // the first bad line ends it
	// Patience is how long to try again, without any line getting through, while the node is busy, in maintenance mode or
	// away. Lines of the standard input cannot be sent twice: with it there is none.
	Patience time.Duration
	// Bad is called with every line that was refused.
	Bad func(line int, err error)

	meter meter
}

// A Report is what an import did.
type Report struct {
	api.ImportCounts
	Through int `json:"through"` // the last line that is done
	// Uncounted are lines that are done and were never told apart, because the node went away in the middle.
	Uncounted int `json:"uncounted,omitempty"`
	// Noted says that Resume would go on behind Through.
	Noted bool `json:"noted,omitempty"`
}

// Progress is how far it is. It may be called while Run runs.
func (i *Import) Progress() Progress { return i.meter.progress() }

// Run imports. The report is right after an error, too: all lines up to Through are durable, or were told to Bad.
func (i *Import) Run(ctx context.Context, to Client) (Report, error) {
	note := noteOf(i.File, i.Space)
	done := max(i.From, 1) - 1
	if i.Resume {
		before, err := note.read()
		if err != nil {
			return Report{}, err
		}
		done = max(done, before)
	}
	i.meter.begin(done)
	report := Report{Through: done}
	err := i.persist(ctx, to, &report, note)
	if err == nil {
		return report, note.remove()
	}
	report.Noted = report.Through > 0 && note.write(report.Through) == nil
	return report, err
}

// persist tries again as long as it makes sense.
func (i *Import) persist(ctx context.Context, to Client, report *Report, note note) error {
	giveUp := time.Now().Add(i.Patience)
	for {
		before := report.Through
		err := i.attempt(ctx, to, report, note)
		wait, passes := passing(err)
		if err == nil || !passes || i.File == Stdin || ctx.Err() != nil {
			return err
		}
		if report.Through > before {
			giveUp = time.Now().Add(i.Patience)
		}
		if !time.Now().Add(wait).Before(giveUp) {
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return err
		}
	}
}

// attempt sends what is not done yet.
func (i *Import) attempt(ctx context.Context, to Client, report *Report, note note) error {
	in, err := open(i.File, i.In)
	if err != nil {
		return fmt.Errorf("read the lines: %w", err)
	}
	if err := in.skip(report.Through); err != nil {
		return fmt.Errorf("read %s: %w", i.File, errors.Join(err, in.close()))
	}
	before, failed := report.Through, report.Failed
	o := api.ImportOptions{From: before + 1, Strict: i.Strict, Failed: true}
	last, err := to.Import(ctx, i.Space, in, o, func(r api.ImportResult) error {
		if r.Problem != nil && r.ImportCounts == nil {
			report.Failed++
			if i.Bad != nil {
				i.Bad(r.Line, r.Problem)
			}
		}
		report.Through = max(report.Through, r.Through)
		i.meter.note(report.Through, in.raw.Load(), in.size)
		note.keep(report.Through)
		return nil
	})
	report.Through = max(report.Through, last.Through)
	if c := last.ImportCounts; c != nil {
		report.Memories, report.Same, report.Edges = report.Memories+c.Memories, report.Same+c.Same, report.Edges+c.Edges
	} else {
		report.Uncounted += report.Through - before - (report.Failed - failed)
	}
	i.meter.note(report.Through, in.raw.Load(), in.size)
	if fault := in.close(); fault != nil {
		return fmt.Errorf("read %s behind line %d: %w", i.File, report.Through, fault) // and the rest follows from it
	}
	return err
}

// firstWait is how long to wait before another try where the node does not say.
const firstWait = time.Second

// passing tells whether an error may be over after a while.
func passing(err error) (wait time.Duration, passes bool) {
	if err == nil {
		return 0, false
	}
	p, refused := errors.AsType[*api.Problem](err)
	if !refused {
		return firstWait, reachable(err)
	}
	if p.Status != http.StatusServiceUnavailable && p.Status != http.StatusTooManyRequests {
		return 0, false
	}
	return max(firstWait, time.Duration(p.RetryAfterSeconds)*time.Second), true
}
