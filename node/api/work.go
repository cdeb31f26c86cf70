package api

import (
	"errors"
	"net/http"
	"time"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/consolidate"
	"github.com/engramd/engramd/node/threads"
)

// A ThreadingChange changes workers and cores; what is absent stays as it is.
type ThreadingChange struct {
	SpreadingWorkers     *int          `json:"spreading_workers,omitempty" desc:"how many spreads run at once; 0: as many as there are cores for it"`
	ConsolidationWorkers *int          `json:"consolidation_workers,omitempty"`
	SpreadingCores       *threads.CPUs `json:"spreading_cores,omitempty" desc:"an empty list: all"`
	ConsolidationCores   *threads.CPUs `json:"consolidation_cores,omitempty"`
	APICores             *threads.CPUs `json:"api_cores,omitempty" desc:"for everything else"`
	PinThreads           *bool         `json:"pin_threads,omitempty" desc:"bind each kind of work to its cores"`
	CPUIsolation         *bool         `json:"cpu_isolation,omitempty" desc:"keep every kind of work off the cores of another"`
	GOMAXPROCS           *int          `json:"gomaxprocs,omitempty" desc:"0: Go's own rule"`
}

// A Compacted says what a compaction gave back.
type Compacted struct {
	Space       string `json:"space"`
	BeforeBytes int64  `json:"before_bytes" desc:"of the file"`
	AfterBytes  int64  `json:"after_bytes"`
}

// Consolidation is what consolidation did since the start.
type Consolidation struct {
	LagSeconds float64                        `json:"lag_seconds" desc:"how long the oldest change waits that no complete round has seen"`
	Rounds     uint64                         `json:"rounds_total"`
	Failed     uint64                         `json:"failed_total"`
	Expired    uint64                         `json:"expired_total"`
	Merged     uint64                         `json:"merged_total"`
	Last       map[string]ConsolidationReport `json:"last" desc:"what the last round of each space did"`
}

// A ConsolidationReport says what one round did.
type ConsolidationReport struct {
	Began    time.Time `json:"began"`
	Took     Duration  `json:"took"`
	Looked   int       `json:"looked"`
	Expired  int       `json:"expired"`
	Dangling int       `json:"dangling" desc:"redirects to what is gone"`
	Merged   int       `json:"merged" desc:"exact duplicates that redirect now to an older memory"`
	Relinked int       `json:"relinked" desc:"edges that were moved away from redirects"`
	Freed    int       `json:"freed" desc:"places of deleted memories"`
	Damaged  int       `json:"damaged"`
	Near     []Near    `json:"near" desc:"memories that are nearly the same, and were left alone"`
}

// A Near is a pair of memories that are nearly the same.
type Near struct {
	ID         string  `json:"id" desc:"the older one"`
	Other      string  `json:"other"`
	Similarity float64 `json:"similarity" desc:"the cosine of their vectors"`
}

var workRoutes = []route{
	{
		method: "GET", path: prefix + "/admin/threading", needs: Read, does: "Workers, cores, and what the machine has", params: []param{paramTimeout}, out: threads.Stats{},
		handle: (*exchange).threading,
	},
	{
		method: "POST", path: prefix + "/admin/threading", needs: Admin, does: "Change workers and cores while everything runs",
		params: []param{paramTimeout}, in: ThreadingChange{}, out: threads.Stats{}, example: `{"spreading_workers":4,"spreading_cores":[0,1],"pin_threads":true}`,
		handle: (*exchange).changeThreading,
	},
	{
		method: "POST", path: prefix + "/admin/storage/compact", needs: Admin, does: "Bring what the log holds into the files of a space, and give back what these do not need; beside readers and writers",
		params: []param{paramSpace}, long: true, out: Compacted{}, handle: (*exchange).compact,
	},
	{
		method: "GET", path: prefix + "/admin/consolidation", needs: Read, does: "What consolidation did, and how far behind it is", params: []param{paramTimeout},
		out: Consolidation{}, handle: (*exchange).consolidation,
	},
	{
		method: "POST", path: prefix + "/admin/consolidation", needs: Admin, does: "Do a round of consolidation of a space now",
		params: []param{paramSpace}, long: true, out: ConsolidationReport{}, handle: (*exchange).consolidate,
	},
}

func (x *exchange) threading() error {
	st, err := x.api.node.Threading()
	if err != nil {
		return err
	}
	return x.answer(http.StatusOK, st)
}

func (x *exchange) changeThreading() error {
	var in ThreadingChange
	if err := x.readJSON(maxAdminBody, false, &in); err != nil {
		return err
	}
	x.api.changing.Lock() // of two changes at once each keeps what the other one set
	defer x.api.changing.Unlock()
	st, err := x.api.node.Threading()
	if err != nil {
		return err
	}
	s := st.Settings
	set(&s.SpreadingWorkers, in.SpreadingWorkers)
	set(&s.ConsolidationWorkers, in.ConsolidationWorkers)
	set(&s.SpreadingCores, in.SpreadingCores)
	set(&s.ConsolidationCores, in.ConsolidationCores)
	set(&s.APICores, in.APICores)
	set(&s.PinThreads, in.PinThreads)
	set(&s.CPUIsolation, in.CPUIsolation)
	set(&s.GOMAXPROCS, in.GOMAXPROCS)
	switch err := x.api.node.SetThreading(s); {
	case errors.Is(err, threads.ErrClosed): // it is stopping
		return err
	case err != nil:
		return invalid("threading", "%v", err)
	}
	x.api.log.Info("threading changed", "spreading_workers", s.SpreadingWorkers, "consolidation_workers", s.ConsolidationWorkers, "pin_threads", s.PinThreads)
	return x.threading()
}

func set[T any](dst, src *T) {
	if src != nil {
		*dst = *src
	}
}

func (x *exchange) compact() error {
	name, err := x.space("")
	if err != nil {
		return err
	}
	done, err := x.api.node.Compact(x.ctx(), name)
	switch {
	case err != nil:
		return err
	case len(done) == 0:
		return node.ErrNoSpace // it went meanwhile
	}
	return x.answer(http.StatusOK, Compacted(done[0]))
}

func (x *exchange) consolidation() error {
	st := x.api.node.ConsolidationStats()
	out := Consolidation{
		LagSeconds: st.LagSeconds, Rounds: st.Rounds, Failed: st.Failed, Expired: st.Expired, Merged: st.Merged, Last: map[string]ConsolidationReport{},
	}
	for space, r := range st.Last {
		out.Last[space] = reportOf(r)
	}
	return x.answer(http.StatusOK, out)
}

func reportOf(r consolidate.Report) ConsolidationReport {
	near := make([]Near, len(r.Near))
	for i, n := range r.Near {
		near[i] = Near(n)
	}
	return ConsolidationReport{
		Began: r.Began, Took: Duration(r.Took), Looked: r.Looked, Expired: r.Expired, Dangling: r.Dangling, Merged: r.Merged, Relinked: r.Relinked,
		Freed: r.Freed, Damaged: r.Damaged, Near: near,
	}
}

func (x *exchange) consolidate() error {
	name, err := x.space("")
	if err != nil {
		return err
	}
	r, err := x.api.node.Consolidate(x.ctx(), name)
	if err != nil {
		return err
	}
	return x.answer(http.StatusOK, reportOf(r))
}
