package api

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/engramd/engramd/node"
)

// A Line is one line of an import or an export: a memory, or an edge.
type Line struct {
	NewMemory
	From   string   `json:"from,omitempty" desc:"of an edge"`
	To     string   `json:"to,omitempty" desc:"of an edge"`
	Weight *float64 `json:"weight,omitempty" desc:"of an edge: above 0, to 1; 1 if absent"`
	Kind   string   `json:"kind,omitempty" enum:"excitatory,inhibitory" desc:"of an edge; excitatory if absent"`
}

// An ImportResult tells what became of a line, or that all went through up to one.
type ImportResult struct {
	Line    int      `json:"line,omitzero" desc:"which; the first is from"`
	ID      string   `json:"id,omitempty"`
	Version uint64   `json:"version,omitzero"`
	Created bool     `json:"created,omitzero" desc:"a memory that was not there already, with the same content"`
	Linked  bool     `json:"linked,omitzero" desc:"an edge"`
	Problem *Problem `json:"problem,omitempty"`

	Through int  `json:"through,omitzero" desc:"all lines up to this one are durable, or have a problem"`
	Done    bool `json:"done,omitzero" desc:"the last line: without it the import did not come to its end"`
	*ImportCounts
}

// ImportCounts are of a whole import.
type ImportCounts struct {
	Memories int `json:"memories" desc:"that were created"`
	Same     int `json:"same" desc:"memories that were there already"`
	Edges    int `json:"edges"`
	Failed   int `json:"failed"`
}

var importRoutes = []route{
	{
		method: "POST", path: prefix + "/memories/import", needs: Write, long: true, outMedia: mediaLines,
		does: "Import memories and edges, a line each (NDJSON): a line is answered when it is durable",
		params: []param{
			paramSpace,
			{name: "from", desc: "the number of the first line of the body; 1. To go on with an import, send the lines from that one on", of: 0},
			{name: "strict", desc: "true: a bad line ends the import (those behind it that were made durable together with it are told); else it is told and the others go on", of: false},
			{name: "results", desc: "which lines are answered: all; failed: only bad ones, and how far it went", of: "", enum: []string{"all", "failed"}},
		},
		in: Line{}, inMedia: mediaLines, out: ImportResult{}, handle: (*exchange).importLines,
		example: `{"id":"kettle","content":"is in the left cupboard"}`,
	},
	{
		method: "GET", path: prefix + "/memories/export", needs: Read, long: true, outMedia: mediaLines,
		does: "Export memories, then the edges between them, a line each, in a form that import takes",
		params: append([]param{
			paramSpace,
			{name: "skip_damaged", desc: "true: leaves out what is damaged; else that ends the export", of: false},
		}, filterParams...),
		out: Line{}, handle: (*exchange).exportLines,
	},
}

// An import is one under way.
type imports struct {
	*stream
	api    *API
	space  string
	strict bool
	brief  bool // only bad lines are answered
	begun  bool // something was written
	out    []byte
	counts ImportCounts
	chunks chan *chunk
}

func (x *exchange) importLines() error {
	in, from, err := x.newImport()
	if err != nil {
		return err
	}
	flow, done, err := x.stream()
	if err != nil {
		return err
	}
	defer done()
	in.stream = flow
	_ = flow.control.EnableFullDuplex() // results are written while lines come; HTTP/2 does it anyway
	ctx, cancel := context.WithCancelCause(x.ctx())
	defer cancel(nil)
	in.chunks = make(chan *chunk, 1)
	go in.read(ctx, from)
	through, err := in.apply(ctx, from-1)
	cancel(err)
	if err != nil {
		flow.stop()
	}
	for range in.chunks { // until read has ended: nothing may touch the body after this returns
	}
	if failed := in.finish(through, err); failed != nil {
		x.w.Header().Set("Connection", "close")
		x.refuse(failed)
	}
	if err != nil {
		flow.linger()
	}
	return nil
}

// newImport reads how to import.
func (x *exchange) newImport() (in *imports, from int, err error) {
	in = &imports{api: x.api}
	if err := checkMedia(x.r, mediaLines, "application/jsonl", "application/json"); err != nil {
		return nil, 0, err
	}
	if err := acceptable(x.r, mediaLines); err != nil {
		return nil, 0, err
	}
	if in.space, err = x.space(""); err != nil {
		return nil, 0, err
	}
	if from, err = x.q.int("from", 1, 1, 1<<40); err != nil {
		return nil, 0, err
	}
	if in.strict, err = x.q.bool("strict", false); err != nil {
		return nil, 0, err
	}
	switch how := x.q.get("results"); how {
	case "", "all":
	case "failed":
		in.brief = true
	default:
		return nil, 0, invalid("results", "%.20q is neither all nor failed", how)
	}
	if _, err := x.api.node.SpaceInfo(in.space); err != nil {
		return nil, 0, err
	}
	if holds := x.api.node.Maintenance(); len(holds) > 0 {
		return nil, 0, &node.MaintenanceError{Owner: holds[0].Owner, RetryAfter: patience}
	}
	return in, from, nil
}

// read cuts the body into chunks and decodes them, beside those that are made durable. It closes chunks.
func (in *imports) read(ctx context.Context, from int) {
	defer close(in.chunks)
	lines := &lineReader{r: in.stream, limit: maxMemoryBody}
	c := newChunk(from)
	for {
		line, err := lines.next()
		switch {
		case err == nil:
			c.add(line)
		case errors.Is(err, errLongLine):
			c.refuse(tooLarge(maxMemoryBody))
		default:
			c.end = unreadEnd(err)
			in.send(ctx, c)
			return
		}
		if c.bad && in.strict {
			in.send(ctx, c)
			return
		}
		if c.full() {
			if !in.send(ctx, c) {
				return
			}
			c = newChunk(c.next)
		} else if !lines.more() {
			// The client may wait for an answer before it sends more. If others are being made durable, more lines gather.
			select {
			case in.chunks <- c:
				c = newChunk(c.next)
			default:
			}
		}
	}
}

// unreadEnd is the problem of a body that ends in this way, nil for the end that it should have.
func unreadEnd(err error) *Problem {
	if err == io.EOF {
		return nil
	}
	p, _ := problemOf(unread(err))
	return p
}

func (in *imports) send(ctx context.Context, c *chunk) bool {
	select {
	case in.chunks <- c:
		return true
	case <-ctx.Done():
		return false
	}
}

// apply makes chunks durable one after the other, so that memories get their ordinals in the order of the lines. It returns up to
// which line everything is done.
func (in *imports) apply(ctx context.Context, through int) (int, error) {
	for c := range in.chunks {
		if err := c.apply(ctx, in.api.node, in.space); err != nil {
			return through, err
		}
		if bad := in.tell(c); bad != nil && in.strict {
			return bad.number - 1, bad.err
		}
		if c.end == nil && through == c.next-1 {
			continue // the end came behind the last line
		}
		through = c.next - 1
		if err := in.flush(through); err != nil {
			return through, err
		}
		if c.end != nil {
			return through, c.end
		}
	}
	return through, context.Cause(ctx)
}

// finish writes the last line. Before anything was written, an error is still a status.
func (in *imports) finish(through int, err error) error {
	if err != nil && !in.begun && len(in.out) == 0 {
		return err
	}
	r := ImportResult{Through: through, Done: err == nil, ImportCounts: &in.counts}
	if err != nil {
		r.Problem, _ = problemOf(err)
		r.Line = through + 1
	}
	in.result(&r)
	_ = in.flush(0)
	return nil
}

// begin writes the header.
func (in *imports) begin() {
	if in.begun {
		return
	}
	in.begun = true
	h := in.x.w.Header()
	h.Set("Content-Type", mediaLines)
	h["Cache-Control"] = headerNoStore
	in.x.w.WriteHeader(http.StatusOK)
}

// flush sends the results.
func (in *imports) flush(through int) error {
	if in.brief && through > 0 {
		in.result(&ImportResult{Through: through})
	}
	in.begin()
	_, err := in.Write(in.out)
	if in.out = in.out[:0]; cap(in.out) > largestPooled {
		in.out = nil
	}
	if err != nil {
		return err
	}
	return in.stream.flush()
}
