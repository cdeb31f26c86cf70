package policy

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"
)

// Decide says what should become of each resource of one target: one decision a resource that
// anything was proposed for, in the order in which they should be carried out. ID is left to the
// caller; Strategy is what the target's `apply` foretells, and Held judged by it: once the driver has
// planned, set Strategy and ask [Hold] again.
func Decide(s Situation) []Decision {
	proposals := map[Resource][]Proposal{}
	take := func(all []Proposal) {
		for _, p := range all {
			proposals[p.Change.Resource] = append(proposals[p.Change.Resource], p)
		}
	}
	for _, e := range s.Evaluations {
		take(e.Proposals)
	}
	take(s.Proposals)
	take(s.wish())
	decisions := make([]Decision, 0, len(proposals))
	for _, r := range inOrder(proposals) {
		contenders := make([]contender, 0, len(proposals[r]))
		for _, p := range proposals[r] {
			contenders = append(contenders, s.contend(p))
		}
		d := s.decide(r, contenders)
		s.foresee(d)
		decisions = append(decisions, d)
	}
	return decisions
}

// foresee has what is decided next count with a growth of CPU that will be carried out: processors
// are picked for the limit that the target is about to have.
func (s *Situation) foresee(d Decision) {
	if d.Change.Resource != CPU || d.Direction != Growth || d.Refused != "" {
		return
	}
	if d.Held != nil && d.Held.By != HeldByApproval && d.Held.By != HeldByPlan && d.Held.By != HeldByDryRun {
		return
	}
	s.Sizes = maps.Clone(s.Sizes)
	s.Sizes[CPU] = d.To
}

// order is how changes of one target follow one another: what makes room comes before what adds
// capacity, tiers before memory, and a snapshot is archived before it is pruned.
var order = []Resource{
	TiersHotThreshold, TiersWarmThreshold, TiersHotTierSize, EvictNow,
	Archive, Prune, Retain, Compact,
	ThreadsSpreading, ThreadsConsolidation, CPU, CPUs, Memory, Storage, Replicas,
}

func inOrder[T any](m map[Resource]T) []Resource {
	place := func(r Resource) int {
		if i := slices.Index(order, r); i >= 0 {
			return i
		}
		return len(order)
	}
	resources := make([]Resource, 0, len(m))
	for r := range m {
		resources = append(resources, r)
	}
	slices.SortFunc(resources, func(a, b Resource) int {
		if d := place(a) - place(b); d != 0 {
			return d
		}
		if a < b {
			return -1
		}
		return 1
	})
	return resources
}

// contend sizes one proposal and says whether it can be had.
func (s *Situation) contend(p Proposal) contender {
	p.Target = s.Target.Name
	p.Mode = EffectiveMode(s.AgentMode, s.Target.Mode, p.Mode)
	s.keepDeadline(&p)
	z := s.size(&p)
	c := contender{Proposal: p, touches: z.touches, refused: z.refused, strategy: s.strategy(z.r, p.Direction)}
	owner := s.Rightsize[z.r]
	switch {
	case s.Owners[z.r] == "":
		c.advice, c.refused = true, fmt.Sprintf("advice for a person: no driver of %s can change %s", s.Target.Name, z.r)
	case owner != "" && p.Source == FromMatrix && p.Verdict != Emergency:
		c.advice, c.refused = true, fmt.Sprintf("advice for a person: right-size policy %s owns %s", owner, z.r)
	case c.refused != "":
	case s.isFrozen(z.r):
		c.refused = fmt.Sprintf("%s is frozen: %s", z.r, s.Frozen[z.r])
	default:
		c.refused = s.triedBefore(p)
	}
	if c.refused == "" {
		k := kindOf(c.decision(s.Now))
		in := s.HoldInputs(c.decision(s.Now))
		_, spent := in.Budget.lacks(k.account)
		c.waits = k.cooldown && !in.Cooldown.IsZero() || spent != ""
	}
	return c
}

// keepDeadline gives a proposal that waits already the deadline that it was given first.
func (s *Situation) keepDeadline(p *Proposal) {
	for _, a := range s.Actions {
		same := a.Resource == p.Change.Resource && a.Policy == p.Policy && a.Row == p.Row
		if same && a.State == outcomeWaiting && !a.Deadline.IsZero() && (p.Deadline.IsZero() || a.Deadline.Before(p.Deadline)) {
			p.Deadline = a.Deadline
		}
	}
}

func (s *Situation) isFrozen(r Resource) bool {
	_, frozen := s.Frozen[r]
	return frozen
}

// strategy foretells how r can be changed, from what the target's process can follow.
func (s *Situation) strategy(r Resource, d Direction) Strategy {
	switch s.Target.Apply[r] {
	case ApplyRestart:
		return Restart
	case ApplyGrowLive:
		if d == Decrease {
			return Restart
		}
	}
	return Live
}

// triedBefore says that the change had no effect in the same circumstances; "" if it had none there
// or may be tried again.
func (s *Situation) triedBefore(p Proposal) string {
	for _, a := range s.Tried {
		if a.Resource != p.Change.Resource || a.Policy != p.Policy || a.Row != p.Row || a.From != p.From || a.To != p.To {
			continue
		}
		if s.Now.Before(a.RetryAfter) && sameDemand(a.DemandCores, s.DemandCores) {
			return fmt.Sprintf("%s %s to %s %s at %s; not again in the same circumstances until %s",
				a.Resource, a.Resource.Format(a.From), a.Resource.Format(a.To), cmp.Or(a.What, "had no effect"), clock(a.At), clock(a.RetryAfter))
		}
	}
	return ""
}

// sameDemand reports whether two demands are within a tenth of the first. What is not known is no
// news.
func sameDemand(then, now *float64) bool {
	return then == nil || now == nil || math.Abs(*now-*then) <= 0.1*math.Abs(*then)
}

func (c contender) decision(now time.Time) Decision {
	return Decision{
		At: now, LastAt: now, Count: 1, Proposal: c.Proposal, Strategy: c.strategy,
		Touches: c.touches, Refused: c.refused, Advice: c.advice,
	}
}

func (s *Situation) decide(r Resource, all []contender) Decision {
	winner, losers := s.arbitrate(r, all)
	d := winner.decision(s.Now)
	d.Losers = losers
	if d.Refused != "" {
		return d
	}
	in := s.HoldInputs(d)
	for _, h := range Holds(d, in) {
		switch h.By {
		case HeldByCooldown, HeldByBudget:
			d.Touches = append(d.Touches, Touch{Limit: touchName(h.By, d.Direction), From: d.To, To: d.To, Text: h.Text})
		}
	}
	d.Held = Hold(d, in)
	return d
}

func touchName(by string, d Direction) string {
	switch {
	case by == HeldByCooldown && d == Decrease:
		return "cooldown down"
	case by == HeldByCooldown:
		return "cooldown up"
	}
	return by
}

// Again is d seen once more as o, which proposes the same: what was counted from the first time, such as
// the deadline, stays.
func (d Decision) Again(o Decision) Decision {
	o.ID, o.At, o.Count, o.ActionID, o.Outcome, o.Diagnosis = d.ID, d.At, d.Count+1, d.ActionID, d.Outcome, d.Diagnosis
	o.Deadline = d.Deadline
	return o
}

// EffectiveMode is the mode that holds for a proposal: the most specific one that is set, but an
// agent in dry-run caps all. Where nothing is set it is Approve.
func EffectiveMode(agent, target, policy Mode) Mode {
	switch {
	case agent == DryRun:
		return DryRun
	case policy != "":
		return policy
	case target != "":
		return target
	case agent != "":
		return agent
	}
	return Approve
}
