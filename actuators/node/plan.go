package node

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// Plan lists the requests that take the node to size. All of it is live.
func (d *Driver) Plan(t policy.Target, from actuators.State, to policy.Size) (actuators.Plan, error) {
	s, err := specOf(t)
	if err != nil {
		return actuators.Plan{}, err
	}
	v, err := viewOf(from)
	if err != nil {
		return actuators.Plan{}, err
	}
	p := planning{view: v, owner: d.ownerAt(s), plan: actuators.Plan{Strategy: policy.Live}}
	for _, r := range policy.Resources() {
		q, asked := to[r]
		if !asked {
			continue
		}
		if err := p.add(r, q); err != nil {
			return actuators.Plan{}, fmt.Errorf("node: %w: %w", actuators.ErrRefused, err)
		}
	}
	p.plan.Command = commands(s, p.plan.Steps)
	return p.plan, nil
}

// A planning is a plan that is being made.
type planning struct {
	view  view
	owner string // who we are to the node, "" if we do not own its tiers
	plan  actuators.Plan
}

// add adds the steps for one resource.
func (p *planning) add(r policy.Resource, to policy.Quantity) error {
	switch r {
	case policy.EvictNow:
		return p.evict()
	case policy.Compact:
		p.operate(kindCompact, struct{}{}, "compact every space")
		return nil
	case policy.Prune:
		return p.prune()
	case policy.Archive:
		return p.archive()
	}
	n, limited := to.Amount()
	switch {
	case !limited && r == policy.Memory && to.IsUnlimited():
	case !limited:
		return fmt.Errorf("%s of a node cannot be %s", r, r.Format(to))
	}
	switch r {
	case policy.ThreadsSpreading, policy.ThreadsConsolidation:
		return p.workers(r, n)
	case policy.CPU:
		return p.cpu(n)
	case policy.Memory:
		return p.memory(n, limited)
	case policy.TiersHotThreshold, policy.TiersWarmThreshold, policy.TiersHotTierSize:
		return p.tiers(r, n)
	case policy.Retain:
		return p.retain(n)
	}
	return fmt.Errorf("%s is nothing of a node's", r)
}

func (p *planning) step(kind string, args, undo any, format string, a ...any) {
	s := actuators.Step{Kind: kind, Args: encode(args), Text: fmt.Sprintf(format, a...)}
	if undo != nil {
		s.UndoArgs = encode(undo)
	}
	p.plan.Steps = append(p.plan.Steps, s)
}

func (p *planning) note(format string, a ...any) {
	p.plan.Notes = append(p.plan.Notes, fmt.Sprintf(format, a...))
}

func (p *planning) operate(kind string, args any, format string, a ...any) {
	p.step(kind, args, nil, format, a...)
	s := &p.plan.Steps[len(p.plan.Steps)-1]
	s.UndoText = "nothing to take back: " + s.Text
}

// below is how much of the share that may be hot an eviction leaves: the next accesses do not need the next eviction.
const below = 0.9

func (p *planning) evict() error {
	ratio := math.Round(p.view.Eviction.HotMaxRatio*below*1e6) / 1e6
	p.operate(kindEvict, evictRequest{HotMaxRatio: &ratio}, "evict what may not stay hot: leave %g%% of all memories", 100*ratio)
	return p.ours()
}

// ours refuses to touch tiers that somebody else looks after.
func (p *planning) ours() error {
	e := p.view.Eviction
	if e.Owner == "" || e.Owner == nobody || e.Owner == p.owner {
		return nil
	}
	until := "until it gives them back"
	if !e.Until.IsZero() {
		until = "until " + e.Until.UTC().Format(time.RFC3339)
	}
	return fmt.Errorf("the tiers belong to %s, %s", e.Owner, until)
}

func (p *planning) tiers(r policy.Resource, n int64) error {
	if err := p.ours(); err != nil {
		return err
	}
	e := p.view.Eviction
	hot, warm := e.HotThreshold, e.WarmThreshold
	var do, undo evictionChange
	switch r {
	case policy.TiersHotThreshold:
		hot = fraction(n)
		do.HotThreshold, undo.HotThreshold = &hot, &e.HotThreshold
	case policy.TiersWarmThreshold:
		warm = fraction(n)
		do.WarmThreshold, undo.WarmThreshold = &warm, &e.WarmThreshold
	default:
		do.HotBytes, undo.HotBytes = &n, &e.HotBytes
	}
	if warm > hot {
		return fmt.Errorf("the threshold of the warm tier, %g, would be above that of the hot tier, %g: change the other one first", warm, hot)
	}
	now := p.now(r)
	p.step(kindEviction, do, undo, "set %s %s -> %s", r, r.Format(now), r.Format(policy.Amount(n)))
	return nil
}

// now is what the node has.
func (p *planning) now(r policy.Resource) policy.Quantity {
	sizes, _ := p.view.sizes()
	return sizes[r]
}

// workers changes a number of workers. Where these are bound to cores of their own, a core comes with each, as long as there are any.
func (p *planning) workers(r policy.Resource, n int64) error {
	if n < 1 || n > math.MaxInt32 {
		return fmt.Errorf("%d workers: want at least one", n)
	}
	s, count := p.view.Threading.Settings, int(n)
	var do, undo threadingChange
	if r == policy.ThreadsSpreading {
		do.SpreadingWorkers, undo.SpreadingWorkers = &count, &s.SpreadingWorkers
		if cores, ok := p.cores(s.SpreadingCores, count); ok {
			do.SpreadingCores, undo.SpreadingCores = &cores, &s.SpreadingCores
		}
	} else {
		do.ConsolidationWorkers, undo.ConsolidationWorkers = &count, &s.ConsolidationWorkers
		if cores, ok := p.cores(s.ConsolidationCores, count); ok {
			do.ConsolidationCores, undo.ConsolidationCores = &cores, &s.ConsolidationCores
		}
	}
	p.step(kindThreading, do, undo, "set %s %s -> %d workers", r, r.Format(p.now(r)), n)
	return nil
}

// cores are those for n workers that are bound to some already: more of what nobody has, or fewer. Where nothing is left they share.
func (p *planning) cores(has []int, n int) ([]int, bool) {
	s := p.view.Threading.Settings
	if !s.PinThreads || len(has) == 0 || n == len(has) {
		return nil, false
	}
	if n < len(has) {
		return slices.Clone(has[:n]), true
	}
	cores := slices.Clone(has)
	for _, core := range p.view.Threading.Topology.Allowed {
		if len(cores) == n {
			break
		}
		if !slices.Contains(slices.Concat(s.SpreadingCores, s.ConsolidationCores, s.APICores), core) {
			cores = append(cores, core)
		}
	}
	if len(cores) < n {
		p.note("only %d cores are left for %d workers: some share one", len(cores), n)
	}
	return cores, len(cores) > len(has)
}

// cpu changes how many threads run Go code at once, and how many spreads with them.
func (p *planning) cpu(milli int64) error {
	has := len(p.view.Threading.Topology.Allowed)
	switch {
	case milli < 1000 || milli%1000 != 0:
		return fmt.Errorf("a node runs on whole cores, not on %s", policy.CPU.Format(policy.Amount(milli)))
	case has > 0 && milli > int64(has)*1000:
		return fmt.Errorf("the node may use %d cores here, not %s", has, policy.CPU.Format(policy.Amount(milli)))
	}
	s, n := p.view.Threading.Settings, int(milli/1000)
	p.step(kindThreading, threadingChange{GOMAXPROCS: &n, SpreadingWorkers: &n},
		threadingChange{GOMAXPROCS: &s.GOMAXPROCS, SpreadingWorkers: &s.SpreadingWorkers},
		"set GOMAXPROCS and the spreading workers %d and %d -> %d", p.view.Threading.GOMAXPROCS, p.view.Threading.Spreading.Workers, n)
	return nil
}

// memory changes the memory limit of Go. The hot tier keeps its share of it.
func (p *planning) memory(n int64, limited bool) error {
	m := p.view.Memory
	if m == nil {
		return errTooOld("the memory limit")
	}
	to := memory{}
	if limited {
		to.LimitBytes = &n
	}
	p.step(kindMemory, to, *m, "set the memory limit %s -> %s", policy.Memory.Format(p.now(policy.Memory)), policy.Memory.Format(quantity(to.LimitBytes)))
	if !limited || m.LimitBytes == nil || *m.LimitBytes <= 0 || p.ours() != nil {
		return nil
	}
	hot := p.view.Eviction.HotBytes
	if share := int64(float64(hot) / float64(*m.LimitBytes) * float64(n)); share != hot {
		p.step(kindEviction, evictionChange{HotBytes: &share}, evictionChange{HotBytes: &hot}, "set tiers.hot_tier_size %s -> %s, its share of it",
			policy.Memory.Format(policy.Amount(hot)), policy.Memory.Format(policy.Amount(share)))
	}
	return nil
}

func quantity(n *int64) policy.Quantity {
	if n == nil {
		return policy.Unlimited()
	}
	return policy.Amount(*n)
}

func (p *planning) retain(seconds int64) error {
	if p.view.WAL == nil {
		return errTooOld("the retention of the log")
	}
	p.step(kindWAL, wal{span(time.Duration(seconds) * time.Second)}, *p.view.WAL, "keep the log %s -> %s",
		policy.Retain.Format(p.now(policy.Retain)), policy.Retain.Format(policy.Amount(seconds)))
	p.plan.Steps[len(p.plan.Steps)-1].UndoText = "keep the log as long as before; segments that are gone stay gone"
	return nil
}

func (p *planning) prune() error {
	s := p.view.Snapshots
	if s == nil { // older; it has the guide's numbers
		p.operate(kindPrune, struct{}{}, "prune snapshots")
		return nil
	}
	p.operate(kindPrune, snapshotRequest{KeepLast: &s.KeepLast, KeepWeekly: &s.KeepWeekly}, "prune snapshots: keep the last %d and %d weekly ones", s.KeepLast, s.KeepWeekly)
	return nil
}

// archive needs a bucket, which only the node's configuration names.
func (p *planning) archive() error {
	if s := p.view.Snapshots; s != nil && s.Archive == "" {
		return fmt.Errorf("the node has no bucket for snapshots: set storage.snapshots.archive of its configuration, as file:///dir or s3://name?region=R")
	}
	p.operate(kindArchive, struct{}{}, "copy the snapshots to the archive")
	return nil
}

func errTooOld(what string) error {
	return fmt.Errorf("the node is older than this agent and does not let %s be changed", what)
}
