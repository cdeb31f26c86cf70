package transfer

import (
	"bytes"
	"context"
	"io"

	"github.com/engramd/engramd/node/api"
)

// An Exporter is the node that lines come from; [api.Client] is one.
type Exporter interface {
	Export(ctx context.Context, space string, f api.Filter, skipDamaged bool, w io.Writer) (int64, error)
}

// An Export takes memories that pass a filter, and the edges between them, from a node to a file.
type Export struct {
	File   string    // or Stdin
	Out    io.Writer // the standard output
	Space  string    // "" is the default space
	Filter api.Filter
	// SkipDamaged leaves out what is damaged; else that ends the export.
	SkipDamaged bool

	meter meter
}

// Progress is how far it is. It may be called while Run runs.
func (e *Export) Progress() Progress { return e.meter.progress() }

// Run exports, and returns how many lines. A file is there whole or not at all.
func (e *Export) Run(ctx context.Context, from Exporter) (lines int, err error) {
	to, err := create(e.File, e.Out)
	if err != nil {
		return 0, err
	}
	e.meter.begin(0)
	w := &lineCounter{to: to, meter: &e.meter}
	if _, err := from.Export(ctx, e.Space, e.Filter, e.SkipDamaged, w); err != nil {
		to.discard()
		return w.lines, err
	}
	return w.lines, to.finish()
}

// A lineCounter counts lines on their way.
type lineCounter struct {
	to    io.Writer
	meter *meter
	lines int
	bytes int64
}

// Write implements io.Writer.
func (c *lineCounter) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.lines += bytes.Count(p[:n], []byte{'\n'})
	c.bytes += int64(n)
	c.meter.note(c.lines, c.bytes, 0)
	return n, err
}
