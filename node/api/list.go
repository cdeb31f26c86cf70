package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/engramd/engramd/node"
)

const (
	defaultList = 100
	maxList     = 1000
	// maxListBytes is about what one answer with memories may have.
	maxListBytes = 16 << 20
	maxDelete    = 1_000_000
)

// A MemoryList is a page of memories, in the order in which they were first remembered.
type MemoryList struct {
	Memories   []Memory `json:"memories"`
	NextCursor string   `json:"next_cursor,omitempty" desc:"for the next page; absent: there are no more. A page may have fewer than asked for"`
}

// A BatchGet asks for memories by their ids.
type BatchGet struct {
	Space   string   `json:"space,omitempty"`
	IDs     []string `json:"ids" desc:"at most 1000"`
	Vectors string   `json:"vectors,omitempty" enum:"none,array,base64" desc:"none if absent"`
}

// A Batch is the memories of a BatchGet, in its order.
type Batch struct {
	Memories []Memory `json:"memories"`
	Absent   []string `json:"absent,omitempty" desc:"those that are not there"`
	Failed   []Failed `json:"failed,omitempty" desc:"those that cannot be read"`
}

// A Failed is what became of one of several.
type Failed struct {
	ID      string   `json:"id,omitempty"`
	Index   int      `json:"index" desc:"in what was sent, from 0"`
	Problem *Problem `json:"problem"`
}

// A Deleted says how many memories were deleted.
type Deleted struct {
	Deleted int  `json:"deleted"`
	More    bool `json:"more" desc:"there are more: ask again"`
}

var listRoutes = []route{
	{
		method: "GET", path: prefix + "/memories", needs: Read, does: "List memories that pass a filter, page by page",
		params: slices.Concat([]param{
			paramSpace, paramVectors, paramTimeout,
			{name: "cursor", desc: "next_cursor of the page before", of: ""},
			{name: "limit", desc: "1 to 1000; 100", of: 0},
		}, filterParams),
		out: MemoryList{}, handle: (*exchange).list,
	},
	{
		method: "POST", path: prefix + "/memories", needs: Read, does: "Get several memories by their ids",
		params: []param{paramSpace, paramTimeout}, in: BatchGet{}, out: Batch{}, example: `{"ids":["a","b"]}`,
		handle: (*exchange).batch,
	},
	{
		method: "DELETE", path: prefix + "/memories", needs: Write, does: "Delete memories that pass a filter",
		params: slices.Concat([]param{
			paramSpace, paramTimeout,
			{name: "limit", desc: "at most so many; 10000", of: 0},
			{name: "all", desc: "true: an empty filter means all memories, else it is refused", of: false},
		}, filterParams),
		out: Deleted{}, handle: (*exchange).deleteWhere,
	},
}

func (x *exchange) list() error {
	space, err := x.space("")
	if err != nil {
		return err
	}
	read, write, err := x.vectors("none")
	if err != nil {
		return err
	}
	limit, err := x.q.int("limit", defaultList, 1, maxList)
	if err != nil {
		return err
	}
	var cursor uint64
	if text := x.q.get("cursor"); text != "" {
		if cursor, err = strconv.ParseUint(text, 10, 32); err != nil {
			return invalid("cursor", "%.40q is none of ours", text)
		}
	}
	keep, err := x.keep(space)
	if err != nil {
		return err
	}
	out, next, err := x.page(space, cursor, limit, keep, read)
	if err != nil {
		return err
	}
	page := MemoryList{Memories: make([]Memory, len(out))}
	for i := range out {
		page.Memories[i] = shown(&out[i], x.api.now())
	}
	if next != 0 {
		page.NextCursor = strconv.FormatUint(next, 10)
	}
	return x.answer(http.StatusOK, page, write)
}

// keep reads the filter in the URL, for List.
func (x *exchange) keep(space string) (func(*node.Memory) bool, error) {
	f, err := x.q.filter()
	if err != nil {
		return nil, err
	}
	filter, err := f.node()
	if err != nil {
		return nil, err
	}
	return x.api.node.Keeping(space, filter)
}

// page lists up to limit memories, fewer where they are large.
func (x *exchange) page(space string, cursor uint64, limit int, keep func(*node.Memory) bool, read []node.ReadOption) ([]node.Memory, uint64, error) {
	const step = 50
	var out []node.Memory
	bytes := 0
	for {
		if err := x.ctx().Err(); err != nil {
			return nil, 0, err
		}
		some, next, err := x.api.node.List(x.ctx(), space, cursor, min(step, limit-len(out)), keep, read...)
		if err != nil {
			return nil, 0, err
		}
		for i := range some {
			bytes += weight(&some[i])
		}
		out, cursor = append(out, some...), next
		if next == 0 || len(out) == limit || bytes > maxListBytes {
			return out, next, nil
		}
	}
}

// weight is about what a memory takes in an answer.
func weight(m *node.Memory) int { return 300 + len(m.Content) + len(m.Metadata) + 12*len(m.Vector) }

func (x *exchange) batch() error {
	var in BatchGet
	if err := x.readJSON(maxListBody, false, &in); err != nil {
		return err
	}
	if len(in.IDs) > maxList {
		return invalid("ids", "are %d; at most %d", len(in.IDs), maxList)
	}
	space, err := x.space(in.Space)
	if err != nil {
		return err
	}
	x.q = query{"vectors": {in.Vectors}}
	read, write, err := x.vectors("none")
	if err != nil {
		return err
	}
	out, bytes := Batch{Memories: []Memory{}}, 0
	for i, id := range in.IDs {
		m, err := x.api.node.Get(x.ctx(), space, id, read...)
		bytes += weight(&m)
		switch {
		case err == nil && bytes > 4*maxListBytes:
			return problem(http.StatusRequestEntityTooLarge, "too-large", "these memories together have more than %d bytes; ask for fewer at once", 4*maxListBytes)
		case err == nil:
			out.Memories = append(out.Memories, shown(&m, x.api.now()))
		case errors.Is(err, node.ErrNotFound):
			out.Absent = append(out.Absent, id)
		case errors.Is(err, node.ErrCorrupt):
			p, _ := problemOf(err)
			out.Failed = append(out.Failed, Failed{ID: id, Index: i, Problem: p})
		default:
			return err
		}
	}
	return x.answer(http.StatusOK, out, write)
}

// always passes every memory, and is not empty.
var always = node.Filter{CreatedBefore: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)}

func (x *exchange) deleteWhere() error {
	space, err := x.space("")
	if err != nil {
		return err
	}
	limit, err := x.q.int("limit", 10_000, 1, maxDelete)
	if err != nil {
		return err
	}
	all, err := x.q.bool("all", false)
	if err != nil {
		return err
	}
	wanted, err := x.q.filter()
	if err != nil {
		return err
	}
	f, err := wanted.node()
	switch {
	case err != nil:
		return err
	case f.Empty() && !all:
		return invalid("filter", "is empty, which means every memory").withRemedy("say all=true if that is meant")
	case f.Empty():
		f = always
	}
	n, more, err := x.api.node.DeleteWhere(x.ctx(), space, f, limit)
	if err != nil && (n == 0 || !errors.Is(err, context.DeadlineExceeded)) {
		return err
	}
	return x.answer(http.StatusOK, Deleted{Deleted: n, More: more || err != nil})
}
