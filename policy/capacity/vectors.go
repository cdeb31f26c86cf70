package capacity

import "math"

// Vectors is what a vector store such as Qdrant has to hold.
type Vectors struct {
	Count           float64 `json:"count"`
	Dimension       float64 `json:"dimension"`
	PayloadBytes    float64 `json:"payload_bytes"` // a vector
	Copies          float64 `json:"copies"`        // replication factor; at least 1
	NodeMemoryBytes float64 `json:"node_memory_bytes"`
	Shards          float64 `json:"shards,omitempty"` // wanted at least; 0: one a node
}

// VectorStore is what that takes.
type VectorStore struct {
	CopyBytes  int64 `json:"copy_bytes"`  // one copy of everything, index included
	TotalBytes int64 `json:"total_bytes"` // all copies
	Nodes      int64 `json:"nodes"`
	Shards     int64 `json:"shards"` // a multiple of the nodes, so that each has as many
	NodeBytes  int64 `json:"node_bytes"`
}

// VectorStore says what v takes.
func (c Components) VectorStore(v Vectors) (VectorStore, error) {
	var k checks
	c.validate(&k)
	k.whole("count", v.Count)
	k.whole("dimension", v.Dimension)
	k.amount("payload_bytes", v.PayloadBytes)
	k.whole("shards", v.Shards)
	k.positive("copies", v.Copies)
	k.whole("copies", v.Copies)
	k.positive("node_memory_bytes", v.NodeMemoryBytes)
	if err := k.err(); err != nil {
		return VectorStore{}, err
	}
	one := v.Count * (v.Dimension*c.VectorValueBytes.Value*c.VectorFactor.Value + v.PayloadBytes*c.PayloadFactor.Value)
	total := one * v.Copies
	nodes := max(c.VectorNodes.Value, v.Copies, math.Ceil(total/(c.VectorMemoryShare.Value*v.NodeMemoryBytes)), 1)
	shards := max(1, math.Ceil(v.Shards/nodes)) * nodes
	var w wholes
	out := VectorStore{
		CopyBytes: w.of("a copy of the vectors", one), TotalBytes: w.of("the vectors", total),
		Nodes: w.of("vector nodes", nodes), Shards: w.of("shards", shards), NodeBytes: w.of("a vector node", total/nodes),
	}
	return out, w.err
}
