package api

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/spread"
	"github.com/engramd/engramd/node/tier"
	"github.com/engramd/engramd/node/vector"
)

// A RecallRequest asks what comes to mind: what is linked with seeds, near to a vector, or both.
type RecallRequest struct {
	Space  string `json:"space,omitempty"`
	Seeds  []Seed `json:"seeds,omitempty" desc:"at most 10000"`
	Vector Vector `json:"vector,omitempty"`
	Metric string `json:"metric,omitempty" enum:"cosine,dot" desc:"what near is; cosine if absent"`
	Limit  int    `json:"limit,omitzero" desc:"1 to 1000; 20 if absent"`
	Direct bool   `json:"direct,omitzero" desc:"only seeds and what is near: no activation spreads"`
	SpreadOptions
	Filter  Filter `json:"filter,omitzero" desc:"which memories may be hits; others pass activation on all the same"`
	Learn   *bool  `json:"learn,omitempty" desc:"counts accesses and strengthens edges that were used; true if absent"`
	Vectors string `json:"vectors,omitempty" enum:"none,array,base64" desc:"of the hits; none if absent"`
}

// A Recollection is what came to mind, the most active first.
type Recollection struct {
	Hits    []Recalled `json:"hits"`
	Partial bool       `json:"partial" desc:"the time was over: this is what there was by then"`
	Hops    int        `json:"hops"`
	Reached int        `json:"reached" desc:"memories that are active, hits or not"`
	Scanned int        `json:"scanned" desc:"vectors that were looked at"`
	Absent  []string   `json:"absent,omitempty" desc:"seeds that are not there"`
}

// A Recalled is a memory that came to mind.
type Recalled struct {
	Memory     Memory    `json:"memory"`
	Activation float64   `json:"activation" desc:"in this recall"`
	Similarity *float64  `json:"similarity,omitempty" desc:"to the vector, of the nearest"`
	Tier       tier.Tier `json:"tier"`
	Decay      float64   `json:"decay" desc:"what the hops of the path left of it"`
	Path       []string  `json:"path" desc:"from a seed to the memory, both included"`
}

var recallRoutes = []route{
	{
		method: "POST", path: prefix + "/memories/recall", needs: Read, does: "Recall by seeds, by a vector, or both",
		params: []param{paramSpace, paramTimeout}, in: RecallRequest{}, out: Recollection{},
		example: `{"seeds":["kettle"],"limit":5,"filter":{"tags":["kitchen"]},"learn":false}`,
		handle: func(x *exchange) error {
			var in RecallRequest
			if err := x.readJSON(maxListBody, false, &in); err != nil {
				return err
			}
			return x.recall(&in)
		},
	},
	{
		method: "GET", path: prefix + "/memories/recall", needs: Read, does: "Recall by seeds, by a vector, or both",
		params: slices.Concat([]param{paramSpace, paramVectors, paramTimeout, {name: "limit", desc: "1 to 1000; 20", of: 0}}, spreadParams, []param{
			{name: "vector", desc: "base64 of float32, little endian", of: ""},
			{name: "metric", desc: "what near is", of: "", enum: []string{"cosine", "dot"}},
			{name: "direct", desc: "no activation spreads", of: false},
			{name: "learn", desc: "counts accesses; true", of: false},
		}, filterParams),
		out:    Recollection{},
		handle: (*exchange).recallByURL,
	},
}

func (x *exchange) recallByURL() error {
	in := RecallRequest{Metric: x.q.get("metric"), Vectors: x.q.get("vectors")}
	var err error
	if in.Seeds, in.Limit, in.SpreadOptions, err = x.q.spread(); err != nil {
		return err
	}
	if in.Filter, err = x.q.filter(); err != nil {
		return err
	}
	if in.Direct, err = x.q.bool("direct", false); err != nil {
		return err
	}
	learn, err := x.q.bool("learn", true)
	if err != nil {
		return err
	}
	in.Learn = &learn
	if text := x.q.get("vector"); text != "" {
		if err := in.Vector.UnmarshalJSON(strconv.AppendQuote(nil, text)); err != nil {
			return err
		}
	}
	return x.recall(&in)
}

func (r *RecallRequest) query() (q node.RecallQuery, err error) {
	q = node.RecallQuery{
		Seeds: seedsOf(r.Seeds), Vector: r.Vector, Limit: r.Limit, Direct: r.Direct, Spread: r.options(), Learn: r.Learn == nil || *r.Learn,
	}
	if q.Limit == 0 {
		q.Limit = spread.Defaults().Limit
	}
	switch r.Metric {
	case "", "cosine":
		q.Metric = vector.Cosine
	case "dot":
		q.Metric = vector.Dot
	default:
		return q, invalid("metric", "%.20q is neither cosine nor dot", r.Metric)
	}
	q.Filter, err = r.Filter.node()
	return q, err
}

func (x *exchange) recall(in *RecallRequest) error {
	space, err := x.space(in.Space)
	if err != nil {
		return err
	}
	if in.Limit > maxList {
		return invalid("limit", "%d is above %d", in.Limit, maxList)
	}
	q, err := in.query()
	if err != nil {
		return err
	}
	x.q = query{"vectors": {in.Vectors}}
	read, write, err := x.vectors("none")
	if err != nil {
		return err
	}
	q.WithVectors = len(read) == 0
	r, err := x.api.node.Recall(x.ctx(), space, q)
	if err != nil {
		return err
	}
	out := Recollection{
		Hits: make([]Recalled, len(r.Hits)), Partial: r.Partial, Hops: r.Hops, Reached: r.Reached, Scanned: r.Scanned, Absent: r.Absent,
	}
	now := x.api.now()
	for i := range r.Hits {
		h := &r.Hits[i]
		out.Hits[i] = Recalled{
			Memory: shown(&h.Memory, now), Activation: h.Activation, Similarity: h.Similarity, Tier: h.Tier, Decay: h.Decay, Path: h.Path,
		}
	}
	return x.answer(http.StatusOK, out, write)
}
