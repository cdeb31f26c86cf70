package node_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/spread"
	"github.com/engramd/engramd/node/tier"
	"github.com/engramd/engramd/node/vector"
	"github.com/google/go-cmp/cmp"
)

// remember remembers all of ms, or ends the test.
func remember(t testing.TB, n *node.Node, ms ...node.Memory) {
	t.Helper()
	rs, err := n.RememberAll(t.Context(), "default", ms)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rs {
		if r.Err != nil {
			t.Fatalf("%s: %v", r.ID, r.Err)
		}
	}
}

// links links all of edges, or ends the test.
func links(t testing.TB, n *node.Node, edges ...node.Edge) {
	t.Helper()
	errs, err := n.Link(t.Context(), "default", edges)
	if err = errors.Join(append(errs, err)...); err != nil {
		t.Fatal(err)
	}
}

func weight(t testing.TB, w float64) record.Weight {
	t.Helper()
	x, err := record.NewWeight(math.Abs(w), w < 0)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// animals remembers a few memories: dog leads to wolf and cat, wolf to moon; sloth stands alone, and is near to dog.
func animals(t testing.TB, n *node.Node) {
	t.Helper()
	remember(t, n,
		node.Memory{ID: "dog", Content: "barks", Type: record.Semantic, Tags: []string{"pet", "animal"}, Confidence: 0.9, CreatedAt: time.UnixMilli(1000), Vector: []float32{1, 0, 0}},
		node.Memory{ID: "cat", Content: "purrs", Type: record.Semantic, Tags: []string{"pet", "animal"}, Confidence: 0.5, CreatedAt: time.UnixMilli(2000), Vector: []float32{0, 1, 0}},
		node.Memory{ID: "wolf", Content: "howls", Tags: []string{"animal"}, Confidence: 0.8, CreatedAt: time.UnixMilli(3000)},
		node.Memory{ID: "moon", Content: "shines", Tags: []string{"thing"}, CreatedAt: time.UnixMilli(4000)},
		node.Memory{ID: "sloth", Content: "sleeps", Tags: []string{"animal"}, CreatedAt: time.UnixMilli(5000), Vector: []float32{0.6, 0.8, 0}},
	)
	links(t, n,
		node.Edge{From: "dog", To: "wolf", Weight: weight(t, 0.8)},
		node.Edge{From: "dog", To: "cat", Weight: weight(t, 0.5)},
		node.Edge{From: "wolf", To: "moon", Weight: weight(t, 1)},
	)
}

var half = spread.Options{Hops: 3, FanOut: 10, Threshold: 0.01, Decay: 0.5}

func hitIDs(r node.Recollection) (ids []string) {
	for _, h := range r.Hits {
		ids = append(ids, h.Memory.ID)
	}
	return ids
}

func TestRecall(t *testing.T) {
	n, _ := running(t, small(t.TempDir()))
	animals(t, n)
	semantic := record.Semantic
	dog := []node.Seed{{ID: "dog", Activation: 1}}
	for name, c := range map[string]struct {
		query node.RecallQuery
		want  []string
	}{
		"seeds":                {node.RecallQuery{Seeds: dog}, []string{"dog", "wolf", "moon", "cat"}},
		"without the seeds":    {node.RecallQuery{Seeds: dog, Spread: spread.Options{Hops: 3, FanOut: 10, Decay: 0.5, WithoutSeeds: true}}, []string{"wolf", "cat", "moon"}},
		"one hop":              {node.RecallQuery{Seeds: dog, Spread: spread.Options{Hops: 1}}, []string{"dog", "wolf", "cat"}},
		"two":                  {node.RecallQuery{Seeds: dog, Limit: 2}, []string{"dog", "wolf"}},
		"vector":               {node.RecallQuery{Vector: []float32{2, 0, 0}, Limit: 2}, []string{"dog", "sloth"}},
		"vector and a spread":  {node.RecallQuery{Vector: []float32{2, 0, 0}, Limit: 4}, []string{"dog", "sloth", "wolf", "moon"}},
		"vector, directly":     {node.RecallQuery{Vector: []float32{2, 0, 0}, Direct: true}, []string{"dog", "sloth", "cat"}},
		"both":                 {node.RecallQuery{Seeds: []node.Seed{{ID: "moon", Activation: 0.9}}, Vector: []float32{0, 1, 0}}, []string{"cat", "moon", "sloth", "dog"}},
		"both, without seeds":  {node.RecallQuery{Seeds: dog, Vector: []float32{0, 1, 0}, Limit: 9, Direct: true, Spread: spread.Options{WithoutSeeds: true}}, []string{"cat", "dog", "sloth"}},
		"one tag":              {node.RecallQuery{Seeds: dog, Filter: node.Filter{Tags: []string{"animal"}}}, []string{"dog", "wolf", "cat"}},
		"two tags":             {node.RecallQuery{Seeds: dog, Filter: node.Filter{Tags: []string{"animal", "pet"}}}, []string{"dog", "cat"}},
		"type":                 {node.RecallQuery{Seeds: dog, Filter: node.Filter{Type: &semantic}}, []string{"dog", "cat"}},
		"from then on":         {node.RecallQuery{Seeds: dog, Filter: node.Filter{CreatedAfter: time.UnixMilli(3000)}}, []string{"wolf", "moon"}},
		"before then":          {node.RecallQuery{Seeds: dog, Filter: node.Filter{CreatedBefore: time.UnixMilli(3000)}}, []string{"dog", "cat"}},
		"confidence":           {node.RecallQuery{Seeds: dog, Filter: node.Filter{MinConfidence: 0.8}}, []string{"dog", "wolf"}},
		"no such tier":         {node.RecallQuery{Seeds: dog, Filter: node.Filter{Tiers: []tier.Tier{tier.Cold}}}, nil},
		"near with a tag":      {node.RecallQuery{Vector: []float32{1, 0, 0}, Limit: 1, Filter: node.Filter{Tags: []string{"thing"}}}, nil},
		"the nearest of a tag": {node.RecallQuery{Vector: []float32{0, 1, 0}, Limit: 1, Direct: true, Filter: node.Filter{CreatedAfter: time.UnixMilli(2001)}}, []string{"sloth"}},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := n.Recall(t.Context(), "default", c.query)
			if diff := cmp.Diff(c.want, hitIDs(r)); err != nil || r.Partial || diff != "" {
				t.Errorf("%v, partial %v (-want +got):\n%s", err, r.Partial, diff)
			}
		})
	}
}

func TestRecallExplainsItself(t *testing.T) {
	n, _ := running(t, small(t.TempDir()))
	animals(t, n)
	r, err := n.Recall(t.Context(), "default", node.RecallQuery{
		Seeds: []node.Seed{{ID: "dog", Activation: 0.25}, {ID: "nobody", Activation: 1}}, Vector: []float32{1, 0, 0}, Spread: half, WithVectors: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	type line struct {
		ID         string
		Activation float64
		Similarity float64
		Decay      float64
		Path       []string
		Vector     []float32
	}
	var got []line
	for _, h := range r.Hits {
		l := line{h.Memory.ID, math.Round(h.Activation*1e4) / 1e4, -1, h.Decay, h.Path, h.Memory.Vector}
		if h.Similarity != nil {
			l.Similarity = math.Round(*h.Similarity*1e4) / 1e4
		}
		if h.Tier != tier.Warm && h.Tier != tier.Hot || h.Memory.Content == "" || h.Memory.Version == 0 || h.Memory.Access.LastAt.IsZero() {
			t.Errorf("%s: %+v", h.Memory.ID, h)
		}
		got = append(got, l)
	}
	want := []line{
		{"dog", 1, 1, 1, []string{"dog"}, []float32{1, 0, 0}},
		{"sloth", 0.6, 0.6, 1, []string{"sloth"}, []float32{0.6, 0.8, 0}},
		{"wolf", 0.4, -1, 0.5, []string{"dog", "wolf"}, nil},
		{"cat", 0.25, 0, 1, []string{"cat"}, []float32{0, 1, 0}},
		{"moon", 0.2, -1, 0.25, []string{"dog", "wolf", "moon"}, nil},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !slices.Equal(r.Absent, []string{"nobody"}) || r.Scanned != 3 || r.Reached != 5 || r.Hops != 3 {
		t.Errorf("%+v", r)
	}
}

func TestRecallRefuses(t *testing.T) {
	n, _ := running(t, small(t.TempDir()))
	animals(t, n)
	dog := []node.Seed{{ID: "dog", Activation: 1}}
	unknown := record.Type(9)
	for name, c := range map[string]struct {
		query node.RecallQuery
		want  error
	}{
		"nothing to begin with":      {node.RecallQuery{}, node.ErrInvalid},
		"seeds that are not there":   {node.RecallQuery{Seeds: []node.Seed{{ID: "x", Activation: 1}}}, node.ErrNotFound},
		"activation above one":       {node.RecallQuery{Seeds: []node.Seed{{ID: "dog", Activation: 1.5}}}, node.ErrInvalid},
		"activation that is none":    {node.RecallQuery{Seeds: []node.Seed{{ID: "dog", Activation: math.NaN()}}}, node.ErrInvalid},
		"too many seeds":             {node.RecallQuery{Seeds: make([]node.Seed, spread.MaxSeeds+1)}, node.ErrInvalid},
		"a vector of another length": {node.RecallQuery{Vector: []float32{1}}, node.ErrInvalid},
		"a vector of nothing":        {node.RecallQuery{Vector: []float32{0, 0, 0}}, node.ErrInvalid},
		"an unknown metric":          {node.RecallQuery{Vector: []float32{1, 0, 0}, Metric: vector.Dot + 1}, node.ErrInvalid},
		"too many hits":              {node.RecallQuery{Seeds: dog, Limit: spread.MaxLimit + 1}, node.ErrInvalid},
		"a negative limit":           {node.RecallQuery{Seeds: dog, Limit: -1}, node.ErrInvalid},
		"too many hops":              {node.RecallQuery{Seeds: dog, Spread: spread.Options{Hops: 99}}, node.ErrInvalid},
		"an unknown type":            {node.RecallQuery{Seeds: dog, Filter: node.Filter{Type: &unknown}}, node.ErrInvalid},
		"an unknown tier":            {node.RecallQuery{Seeds: dog, Filter: node.Filter{Tiers: []tier.Tier{9}}}, node.ErrInvalid},
		"no confidence":              {node.RecallQuery{Seeds: dog, Filter: node.Filter{MinConfidence: float32(math.NaN())}}, node.ErrInvalid},
		"no time in between":         {node.RecallQuery{Seeds: dog, Filter: node.Filter{CreatedAfter: time.UnixMilli(5), CreatedBefore: time.UnixMilli(5)}}, node.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			if r, err := n.Recall(t.Context(), "default", c.query); !errors.Is(err, c.want) {
				t.Errorf("%+v, %v; want %v", r, err, c.want)
			}
		})
	}
	if _, err := n.Recall(t.Context(), "nowhere", node.RecallQuery{Seeds: dog}); !errors.Is(err, node.ErrNoSpace) {
		t.Errorf("of an unknown space: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := n.Recall(ctx, "default", node.RecallQuery{Seeds: dog}); !errors.Is(err, context.Canceled) {
		t.Errorf("when cancelled: %v", err)
	}
}
