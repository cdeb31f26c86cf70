package api

import (
	"context"
	"errors"
	"strconv"

	"github.com/engramd/engramd/node"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// What a chunk may have: what is made durable together, and fits into a segment of the log.
const (
	maxChunkLines = 4096
	maxChunkBytes = 1 << 20
)

// A chunk is lines of an import that are made durable together.
type chunk struct {
	next     int // the number of the line after the last
	bytes    int
	lines    []imported
	memories []node.Memory
	edges    []node.Edge
	bad      bool     // a line cannot be read
	end      *Problem // why the body ends behind it, where it should not
	line     Line     // room to decode
}

// An imported is one line and what became of it.
type imported struct {
	number  int
	edge    bool
	at      int // in memories or edges
	version uint64
	created bool
	err     error
}

func newChunk(next int) *chunk { return &chunk{next: next} }

func (c *chunk) full() bool { return len(c.lines) >= maxChunkLines || c.bytes >= maxChunkBytes }

// refuse notes a line that cannot be imported.
func (c *chunk) refuse(err error) {
	c.lines = append(c.lines, imported{number: c.next, err: err})
	c.next++
	c.bad = true
}

// add decodes a line; an empty one is only counted.
func (c *chunk) add(b []byte) {
	if skipSpace(b, 0) == len(b) {
		c.next++
		return
	}
	c.bytes += len(b)
	l := &c.line
	*l = Line{}
	if err := json.Unmarshal(b, l, strictly); err != nil {
		c.refuse(decodeProblem(err))
		return
	}
	if l.From != "" || l.To != "" {
		c.addEdge(l)
		return
	}
	switch {
	case l.Weight != nil || l.Kind != "":
		c.refuse(invalid("from", "is missing: a line is a memory, or an edge with from and to"))
	case l.Space != "":
		c.refuse(invalid("space", "belongs into the URL"))
	case l.Content == "" && len(l.Vector) == 0 && l.ID == "":
		c.refuse(invalid("content", "is missing"))
	default:
		m, err := l.record()
		if err != nil {
			c.refuse(err)
			return
		}
		c.lines = append(c.lines, imported{number: c.next, at: len(c.memories)})
		c.memories = append(c.memories, m)
		c.next++
	}
}

func (c *chunk) addEdge(l *Line) {
	if l.ID != "" || l.Content != "" || l.Vector != nil {
		c.refuse(invalid("from", "belongs to an edge: a line is a memory or an edge, not both"))
		return
	}
	edge := Edge{l.From, l.To, l.Weight, l.Kind}
	e, err := edge.edge()
	if err != nil {
		c.refuse(err)
		return
	}
	c.lines = append(c.lines, imported{number: c.next, edge: true, at: len(c.edges)})
	c.edges = append(c.edges, e)
	c.next++
}

// patient is how many times a chunk is offered to a node that has too many writes waiting; each time waits.
const patient = 20

// apply makes the memories durable, and then the edges.
func (c *chunk) apply(ctx context.Context, n *node.Node, space string) error {
	var done []node.Remembered
	var linked []error
	err := patiently(ctx, len(c.memories), func() (err error) {
		// What a try that failed has filled in (ids, times) stays.
		done, err = n.RememberAll(ctx, space, c.memories)
		return err
	})
	if err != nil {
		return err
	}
	err = patiently(ctx, len(c.edges), func() (err error) {
		linked, err = n.Link(ctx, space, c.edges)
		return err
	})
	if err != nil {
		return err
	}
	for i := range c.lines {
		switch l := &c.lines[i]; {
		case l.err != nil:
		case l.edge:
			l.err = linked[l.at]
		default:
			r := done[l.at]
			l.version, l.created, l.err = r.Version, r.Created, r.Err
		}
	}
	return nil
}

// patiently tries again while too many writes wait.
func patiently(ctx context.Context, n int, try func() error) error {
	if n == 0 {
		return nil
	}
	var err error
	for range patient {
		if err = try(); !errors.Is(err, node.ErrBusy) || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// tell writes the results of a chunk, and returns the first bad line.
func (in *imports) tell(c *chunk) (bad *imported) {
	for i := range c.lines {
		l := &c.lines[i]
		switch {
		case l.err != nil:
			in.counts.Failed++
			p, _ := problemOf(l.err)
			in.result(&ImportResult{Line: l.number, Problem: p})
			if bad == nil {
				bad = l
			}
			continue
		case l.edge:
			in.counts.Edges++
		case l.created:
			in.counts.Memories++
		default:
			in.counts.Same++
		}
		if !in.brief {
			in.out = c.appendResult(in.out, l)
		}
	}
	return bad
}

func (in *imports) result(r *ImportResult) {
	b, err := json.Marshal(r, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		b = []byte(`{}`)
	}
	in.out = append(append(in.out, b...), '\n')
}

// appendResult writes what became of a good line, as an ImportResult.
func (c *chunk) appendResult(b []byte, l *imported) []byte {
	b = append(b, `{"line":`...)
	b = strconv.AppendInt(b, int64(l.number), 10)
	if l.edge {
		return append(b, ",\"linked\":true}\n"...)
	}
	b = append(b, `,"id":`...)
	b, _ = jsontext.AppendQuote(b, c.memories[l.at].ID)
	b = append(b, `,"version":`...)
	b = strconv.AppendUint(b, l.version, 10)
	if l.created {
		b = append(b, `,"created":true`...)
	}
	return append(b, "}\n"...)
}
