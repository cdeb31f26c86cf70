package load

import (
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/engramd/engramd/node/record"
)

// A Generator makes memories, edges and vectors: of the same seed always the same, each by its number alone.
type Generator struct {
	Seed         uint64
	Memories     int
	Degree       int
	ContentBytes int
	// Newest is when the newest memory was last accessed; the others are up to Age older.
	Newest time.Time
	Age    time.Duration
}

// Each kind of thing draws from numbers of its own.
const (
	streamID uint64 = iota << 56
	streamContent
	streamEdges
	streamVector
)

func (g Generator) rand(stream uint64, i int) *rand.Rand {
	return rand.New(rand.NewPCG(g.Seed, stream|uint64(i)))
}

// ID returns the id of memory i, from 0: a UUIDv7, of the kind that the node makes itself.
func (g Generator) ID(i int) string {
	r := g.rand(streamID, i)
	var u [16]byte
	ms := uint64(1_700_000_000_000 + i)
	for k := range 6 {
		u[k] = byte(ms >> (40 - 8*k))
	}
	a, b := r.Uint64(), r.Uint64()
	for k := range 8 {
		u[8+k] = byte(a >> (8 * k))
	}
	u[6], u[7] = 0x70|byte(b)&0x0f, byte(b>>8)
	u[8] = u[8]&0x3f | 0x80
	return record.FormatUUID(u)
}

// Memory returns memory i, without a vector.
func (g Generator) Memory(i int) record.Memory {
	r := g.rand(streamContent, i)
	m := record.Memory{ID: g.ID(i), Content: text(r, g.ContentBytes), Confidence: 1}
	if !g.Newest.IsZero() {
		at := g.Newest.Add(-time.Duration(r.Int64N(int64(g.Age) + 1)))
		m.CreatedAt = at
		m.Access = record.Access{Activation: 1, Count: 1, LastAt: at}
	}
	return m
}

// Edges returns the edges that leave from memory i to others, no two to the same one.
func (g Generator) Edges(i int) []record.Edge {
	edges := make([]record.Edge, 0, g.Degree)
	from := g.ID(i)
	for to, w := range g.targets(i) {
		edges = append(edges, record.Edge{From: from, To: g.ID(to), Weight: w})
	}
	return edges
}

// targets calls yield with the memories to which i is linked. All weights are excitatory and at least a half, so that a spread with a low
// threshold follows every edge, as the bare loop does.
func (g Generator) targets(i int) func(yield func(int, record.Weight) bool) {
	return func(yield func(int, record.Weight) bool) {
		r := g.rand(streamEdges, i)
		seen := make(map[int]bool, g.Degree)
		for len(seen) < g.Degree {
			to := (i + 1 + r.IntN(g.Memories-1)) % g.Memories
			w := record.WeightOne/2 + record.Weight(r.IntN(int(record.WeightOne/2)))
			if seen[to] {
				continue
			}
			seen[to] = true
			if !yield(to, w) {
				return
			}
		}
	}
}

// Vector returns a vector for memory i.
func (g Generator) Vector(i, dimension int) []float32 {
	r := g.rand(streamVector, i)
	v := make([]float32, dimension)
	for k := range v {
		v[k] = float32(r.Uint32()>>8)/(1<<23) - 1
	}
	return v
}

// text returns n bytes of words, some frequent and some rare, as languages have them: about as compressible as prose.
func text(r *rand.Rand, n int) string {
	b := make([]byte, 0, n+16)
	for len(b) < n {
		u := r.Float64()
		word := int(u * u * u * 20_000)
		b = append(b, syllables[word%len(syllables)]...)
		b = append(b, syllables[word/len(syllables)%len(syllables)]...)
		if word > 2_000 {
			b = strconv.AppendInt(b, int64(word%97), 36)
		}
		b = append(b, ' ')
	}
	return string(b[:n])
}

var syllables = [...]string{
	"en", "gram", "re", "call", "me", "mo", "ry", "la", "ter", "no", "de", "sy", "nap", "tic", "pa", "th", "ax", "on", "den", "dri",
	"cor", "tex", "hip", "po", "cam", "pus", "neu", "ral", "wa", "ve", "the", "ta", "fi", "re", "spa", "ce", "tra", "ce", "so", "ma",
}
