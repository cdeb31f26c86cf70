package api

import (
	"net/http"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/spread"
)

// A Seed is a memory where activation begins; in JSON an object, or the id alone.
type Seed struct {
	ID         string   `json:"id"`
	Activation *float64 `json:"activation,omitempty" desc:"above 0, to 1; 1 if absent"`
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *Seed) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		*s = Seed{}
		return decode(b, &s.ID)
	}
	type object Seed
	return decode(b, (*object)(s))
}

// A SpreadOptions says how activation spreads.
type SpreadOptions struct {
	Hops         int      `json:"hops,omitzero" desc:"1 to 10; 3 if absent"`
	FanOut       int      `json:"fan_out,omitzero" desc:"how many edges of a memory are followed, the strongest first; 1 to 1024, 16 if absent"`
	Threshold    *float64 `json:"threshold,omitempty" desc:"from which activation a memory sends; 0 to 1, 0.01 if absent"`
	Decay        float64  `json:"decay,omitzero" desc:"what is left after a hop; above 0, to 1; 0.7 if absent"`
	WithoutSeeds bool     `json:"without_seeds,omitzero" desc:"leaves the seeds out of the hits"`
}

// A SpreadRequest asks what activation reaches.
type SpreadRequest struct {
	Space string `json:"space,omitempty"`
	Seeds []Seed `json:"seeds" desc:"at most 10000"`
	Limit int    `json:"limit,omitzero" desc:"1 to 10000; 20 if absent"`
	SpreadOptions
}

// A Spreading is what a spread reached, strongest first.
type Spreading struct {
	Hits    []Activated `json:"hits"`
	Partial bool        `json:"partial" desc:"the time was over: this is what whole hops brought until then"`
	Hops    int         `json:"hops" desc:"done"`
	Reached int         `json:"reached" desc:"memories that are active, hits or not"`
	Edges   int         `json:"edges" desc:"followed"`
	Absent  []string    `json:"absent,omitempty" desc:"seeds that are not there"`
}

// An Activated is a memory that a spread reached.
type Activated struct {
	ID         string   `json:"id"`
	Activation float64  `json:"activation"`
	Path       []string `json:"path" desc:"from a seed to the memory, both included"`
}

var spreadParams = []param{
	{name: "seed", desc: "the id of a memory where activation 1 begins", of: "", many: true},
	{name: "hops", desc: "1 to 10; 3", of: 0},
	{name: "fan_out", desc: "1 to 1024; 16", of: 0},
	{name: "threshold", desc: "0 to 1; 0.01", of: 0.0},
	{name: "decay", desc: "above 0, to 1; 0.7", of: 0.0},
	{name: "without_seeds", desc: "leaves the seeds out of the hits", of: false},
}

var spreadRoutes = []route{
	{
		method: "POST", path: prefix + "/spread", needs: Read, does: "Let activation spread from seeds; writes nothing, counts no access",
		params: []param{paramSpace, paramTimeout}, in: SpreadRequest{}, out: Spreading{}, example: `{"seeds":["dog"],"hops":2}`,
		handle: func(x *exchange) error {
			var in SpreadRequest
			if err := x.readJSON(maxListBody, false, &in); err != nil {
				return err
			}
			return x.spread(&in)
		},
	},
	{
		method: "GET", path: prefix + "/spread", needs: Read, does: "Let activation spread from seeds; writes nothing, counts no access",
		params: append([]param{paramSpace, paramTimeout, {name: "limit", desc: "1 to 10000; 20", of: 0}}, spreadParams...), out: Spreading{},
		handle: func(x *exchange) error {
			in := SpreadRequest{}
			var err error
			if in.Seeds, in.Limit, in.SpreadOptions, err = x.q.spread(); err != nil {
				return err
			}
			return x.spread(&in)
		},
	},
}

// options makes o what the node takes: what is absent is the default.
func (o *SpreadOptions) options() spread.Options {
	out := spread.Defaults()
	if o.Hops != 0 {
		out.Hops = o.Hops
	}
	if o.FanOut != 0 {
		out.FanOut = o.FanOut
	}
	if o.Threshold != nil {
		out.Threshold = *o.Threshold
	}
	if o.Decay != 0 {
		out.Decay = o.Decay
	}
	out.WithoutSeeds = o.WithoutSeeds
	return out
}

func seedsOf(in []Seed) []node.Seed {
	out := make([]node.Seed, len(in))
	for i, s := range in {
		out[i] = node.Seed{ID: s.ID, Activation: 1}
		if s.Activation != nil {
			out[i].Activation = *s.Activation
		}
	}
	return out
}

// spread reads from the URL what a spread needs.
func (q query) spread() (seeds []Seed, limit int, o SpreadOptions, err error) {
	for _, id := range q.list("seed") {
		seeds = append(seeds, Seed{ID: id})
	}
	if limit, err = q.int("limit", 0, 1, spread.MaxLimit); err != nil {
		return
	}
	if o.Hops, err = q.int("hops", 0, 1, spread.MaxHops); err != nil {
		return
	}
	if o.FanOut, err = q.int("fan_out", 0, 1, spread.MaxFanOut); err != nil {
		return
	}
	if q.get("threshold") != "" {
		var x float64
		if x, err = q.float("threshold", 0); err != nil {
			return
		}
		o.Threshold = &x
	}
	if o.Decay, err = q.float("decay", 0); err != nil {
		return
	}
	o.WithoutSeeds, err = q.bool("without_seeds", false)
	return
}

func (x *exchange) spread(in *SpreadRequest) error {
	space, err := x.space(in.Space)
	if err != nil {
		return err
	}
	if len(in.Seeds) == 0 {
		return invalid("seeds", "are none")
	}
	o := in.options()
	if in.Limit != 0 {
		o.Limit = in.Limit
	}
	r, err := x.api.node.Spread(x.ctx(), space, seedsOf(in.Seeds), o)
	if err != nil {
		return err
	}
	out := Spreading{
		Hits: make([]Activated, len(r.Hits)), Partial: r.Partial, Hops: r.Hops, Reached: r.Reached, Edges: r.Edges, Absent: r.Absent,
	}
	for i, h := range r.Hits {
		out.Hits[i] = Activated(h)
	}
	return x.answer(http.StatusOK, out)
}
