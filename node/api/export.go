package api

import (
	"net/http"
	"strconv"

	"github.com/engramd/engramd/node"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// exportChunk is about how much is written at a time.
const exportChunk = 64 << 10

func (x *exchange) exportLines() error {
	if err := acceptable(x.r, mediaLines); err != nil {
		return err
	}
	space, err := x.space("")
	if err != nil {
		return err
	}
	wanted, err := x.q.filter()
	if err != nil {
		return err
	}
	f, err := wanted.node()
	if err != nil {
		return err
	}
	skip, err := x.q.bool("skip_damaged", false)
	if err != nil {
		return err
	}
	flow, done, err := x.stream()
	if err != nil {
		return err
	}
	defer done()
	e := &exporter{stream: flow, out: make([]byte, 0, exportChunk+exportChunk/4)}
	err = x.api.node.Export(x.ctx(), space, f, skip, e.memory, e.edge)
	if err == nil {
		err = e.write()
	}
	if err != nil && e.begun {
		// The status is gone: a client sees that the end is missing.
		x.api.log.Warn("an export ended early", "space", space, "error", err)
		panic(http.ErrAbortHandler)
	}
	return err
}

// An exporter writes lines.
type exporter struct {
	*stream
	begun bool
	out   []byte
}

func (e *exporter) memory(m *node.Memory) error {
	confidence, access := m.Confidence, accessOf(m.Access)
	b, err := json.Marshal(&NewMemory{
		ID: m.ID, Type: m.Type.String(), Content: m.Content, Vector: m.Vector, Tags: m.Tags, Metadata: m.Metadata, Confidence: &confidence,
		CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt, ExpiresAt: m.ExpiresAt, Access: &access,
	}, faithfully)
	if err != nil {
		return err
	}
	e.out = append(append(e.out, b...), '\n')
	return e.writeIfFull()
}

func (e *exporter) edge(edge node.Edge) error {
	b := append(e.out, `{"from":`...)
	b, _ = jsontext.AppendQuote(b, edge.From) // ids are UTF-8
	b = append(b, `,"to":`...)
	b, _ = jsontext.AppendQuote(b, edge.To)
	b = append(b, `,"weight":`...)
	b = strconv.AppendFloat(b, edge.Weight.Float64(), 'f', -1, 64)
	b = append(b, `,"kind":"`...)
	b = append(b, kindOf(edge.Weight)...)
	e.out = append(b, "\"}\n"...)
	return e.writeIfFull()
}

func (e *exporter) writeIfFull() error {
	if len(e.out) < exportChunk {
		return nil
	}
	return e.write()
}

func (e *exporter) write() error {
	if !e.begun {
		e.begun = true
		h := e.x.w.Header()
		h.Set("Content-Type", mediaLines)
		h["Cache-Control"] = headerNoStore
		e.x.w.WriteHeader(http.StatusOK)
	}
	_, err := e.Write(e.out)
	e.out = e.out[:0]
	return err
}
