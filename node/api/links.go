package api

import (
	"context"
	"net/http"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/record"
)

const maxEdges = 10_000

// linking is Link or Unlink of a node.
type linking func(n *node.Node, ctx context.Context, space string, edges []node.Edge) ([]error, error)

// An Edge leads from one memory to another.
type Edge struct {
	From   string   `json:"from"`
	To     string   `json:"to"`
	Weight *float64 `json:"weight,omitempty" desc:"above 0, to 1; 1 if absent"`
	Kind   string   `json:"kind,omitempty" enum:"excitatory,inhibitory" desc:"excitatory if absent"`
}

// Links are edges to set or to remove: one, or several.
type Links struct {
	Space  string   `json:"space,omitempty"`
	From   string   `json:"from,omitempty"`
	To     string   `json:"to,omitempty"`
	Weight *float64 `json:"weight,omitempty" desc:"above 0, to 1; 1 if absent"`
	Kind   string   `json:"kind,omitempty" enum:"excitatory,inhibitory" desc:"excitatory if absent"`
	Edges  []Edge   `json:"edges,omitempty" desc:"instead of one; at most 10000"`
}

// A Linked says what became of edges.
type Linked struct {
	Done   int      `json:"done"`
	Failed []Failed `json:"failed,omitempty" desc:"the others"`
}

// Neighbours are the edges of one memory.
type Neighbours struct {
	ID  string `json:"id"`
	Out []Edge `json:"out" desc:"weight descending"`
	In  []Edge `json:"in"`
}

var linkRoutes = []route{
	{
		method: "POST", path: prefix + "/links", needs: Write, does: "Set the weight of an edge, or of several, durable together",
		params: []param{paramSpace, paramTimeout}, in: Links{}, out: Linked{}, example: `{"from":"kettle","to":"tea","weight":0.8}`,
		handle: func(x *exchange) error { return x.link((*node.Node).Link) },
	},
	{
		method: "DELETE", path: prefix + "/links", needs: Write, does: "Remove an edge (in the URL or the body) or several",
		params: []param{
			paramSpace, paramTimeout,
			{name: "from", desc: "of one edge, instead of a body", of: ""}, {name: "to", desc: "of one edge, instead of a body", of: ""},
		},
		in: Links{}, optional: true, out: Linked{}, example: `{"edges":[{"from":"kettle","to":"tea"}]}`,
		handle: func(x *exchange) error { return x.link((*node.Node).Unlink) },
	},
	{
		method: "GET", path: prefix + "/links", needs: Read, does: "The edges of a memory",
		params: []param{paramSpace, paramTimeout, {name: "id", desc: "of the memory", of: "", required: true}}, out: Neighbours{},
		handle: (*exchange).neighbours,
	},
}

// edge makes e what the node takes.
func (e *Edge) edge() (node.Edge, error) {
	size := 1.0
	if e.Weight != nil {
		size = *e.Weight
	}
	switch e.Kind {
	case "", "excitatory", "inhibitory":
	default:
		return node.Edge{}, invalid("kind", "%.20q is neither excitatory nor inhibitory", e.Kind)
	}
	w, err := record.NewWeight(size, e.Kind == "inhibitory")
	return node.Edge{From: e.From, To: e.To, Weight: w}, err
}

// edgeOf is what people see of an edge.
func edgeOf(e node.Edge) Edge {
	w := e.Weight.Float64()
	return Edge{From: e.From, To: e.To, Weight: &w, Kind: kindOf(e.Weight)}
}

func kindOf(w node.Weight) string {
	if w.Inhibitory() {
		return "inhibitory"
	}
	return "excitatory"
}

// readLinks reads which edges are meant.
func (x *exchange) readLinks() (space string, edges []node.Edge, err error) {
	in := Links{From: x.q.get("from"), To: x.q.get("to")}
	inURL := in.From != "" || in.To != ""
	if err := x.readJSON(maxListBody, inURL, &in); err != nil {
		return "", nil, err
	}
	if space, err = x.space(in.Space); err != nil {
		return "", nil, err
	}
	one := in.From != "" || in.To != ""
	switch {
	case one == (len(in.Edges) > 0):
		return "", nil, invalid("edges", "name one edge by from and to, or several in edges")
	case len(in.Edges) > maxEdges:
		return "", nil, invalid("edges", "are %d; at most %d", len(in.Edges), maxEdges)
	case one:
		in.Edges = []Edge{{in.From, in.To, in.Weight, in.Kind}}
	}
	edges = make([]node.Edge, len(in.Edges))
	for i := range in.Edges {
		if edges[i], err = in.Edges[i].edge(); err != nil {
			return "", nil, err
		}
	}
	return space, edges, nil
}

func (x *exchange) link(do linking) error {
	space, edges, err := x.readLinks()
	if err != nil {
		return err
	}
	errs, err := do(x.api.node, x.ctx(), space, edges)
	if err != nil {
		return err
	}
	out := Linked{}
	for i, err := range errs {
		if err == nil {
			out.Done++
			continue
		}
		if len(errs) == 1 {
			return err
		}
		p, _ := problemOf(err)
		out.Failed = append(out.Failed, Failed{Index: i, Problem: p})
	}
	return x.answer(http.StatusOK, out)
}

func (x *exchange) neighbours() error {
	space, err := x.space("")
	if err != nil {
		return err
	}
	id := x.q.get("id")
	if id == "" {
		return invalid("id", "is missing")
	}
	out, in, err := x.api.node.Edges(x.ctx(), space, id)
	if err != nil {
		return err
	}
	n := Neighbours{ID: id, Out: make([]Edge, len(out)), In: make([]Edge, len(in))}
	for i, e := range out {
		n.Out[i] = edgeOf(e)
	}
	for i, e := range in {
		n.In[i] = edgeOf(e)
	}
	return x.answer(http.StatusOK, n)
}
