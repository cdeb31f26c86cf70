package sizing

import (
	"bytes"
	"context"
	"fmt"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/engramd/engramd/node/api"
	"github.com/engramd/engramd/policy/capacity"
)

// MeasureNode asks a running node for what can replace the constants of a capacity model. What the node
// does not show stays absent.
func MeasureNode(ctx context.Context, c *api.Client, source string) (capacity.Measured, error) {
	s, err := c.Storage(ctx, "")
	if err != nil {
		return capacity.Measured{}, err
	}
	m := capacity.Measured{Source: source, IndexBytes: &s.IndexBytes, BufferBytes: &s.Memtable}
	var edges, base, vectors int64
	for _, space := range s.Spaces {
		m.Memories += int64(space.Memories)
		edges += int64(space.Edges)
		base += space.FileBytes
		vectors += space.VectorBytes
	}
	m.Edges, m.VectorBytes = &edges, &vectors
	if s.Memtable <= base/10 { // else most of what was written is not in the files yet, and they say too little
		m.BaseBytes = &base
	}
	if h := s.HotResident; h != nil {
		m.Hot, m.HotBytes = &h.Records, new(h.Bytes+h.FixedBytes)
	}
	if s.WAL != nil {
		m.LogBytes = &s.WAL.DiskBytes
	}
	if m.AnonBytes, err = anonymous(ctx, c); err != nil {
		return capacity.Measured{}, err
	}
	return m, nil
}

// anonymous is the memory of the node that nobody can take back: the sum of engram_memory_usage_bytes.
func anonymous(ctx context.Context, c *api.Client) (*int64, error) {
	text, err := c.Metrics(ctx, "text/plain; version=0.0.4")
	if err != nil {
		return nil, err
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("read the node's metrics: %w", err)
	}
	family := families["engram_memory_usage_bytes"]
	if family == nil {
		return nil, nil
	}
	var sum int64
	for _, one := range family.GetMetric() {
		sum += int64(one.GetGauge().GetValue())
	}
	return &sum, nil
}
