package agent

import (
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"slices"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/policy/rightsize"
)

// What counts as demand that the limit has cut off.
const (
	cutPeriods = 0.1  // of the periods in which the target ran, it was throttled
	cutStall   = 0.05 // of the time all of it waited for memory
)

// keptEvery is after how many steps what was learned is written down; a crash forgets that much.
const keptEvery = 5

// A sizer is what one right-size policy remembers of one target. Its own time goes on by a minute a step,
// whatever a step takes.
type sizer struct {
	Began  time.Time                            `json:"began"` // by the clock; both times are equal here
	At     time.Time                            `json:"at"`    // of the last step, by the clock
	States map[policy.Resource]*rightsize.State `json:"states"`

	steps  int
	unseen map[policy.Resource]int // steps in a row in which the use was not known
	wanted map[policy.Resource]rightsize.Recommendation
	used   map[policy.Resource]policy.Reading
}

// rightsizeOf yields the right-size policies of a target.
func (l *loop) rightsizeOf(target string) iter.Seq[config.Rightsize] {
	return func(yield func(config.Rightsize) bool) {
		for _, p := range l.cfg.Rightsize {
			if slices.Contains(p.Targets, target) && !yield(p) {
				return
			}
		}
	}
}

// followed names the right-size policy of each resource of a target.
func (l *loop) followed(target string) map[policy.Resource]string {
	all := map[policy.Resource]string{}
	for p := range l.rightsizeOf(target) {
		for _, r := range p.Resources {
			all[r] = p.Name
		}
	}
	return all
}

// follow takes a step of every right-size policy of t whose turn it is, and returns what they propose.
// What they want stands until their next step.
func (a *Agent) follow(t *target, s policy.Situation) []policy.Proposal {
	var all []policy.Proposal
	for p := range a.loop.rightsizeOf(t.cfg.Name) {
		z := a.sizer(t, p, s.Now)
		if since := s.Now.Sub(z.At); since >= p.Every-p.Every/4 || since < 0 {
			a.step(t, z, p, s)
		}
		for _, r := range p.Resources {
			if want := z.wanted[r]; want.Changes() && stands(want, s.Sizes[r], r) {
				all = append(all, t.settled(proposalOfSize(p, r, want, z.used[r])))
			}
		}
	}
	return all
}

// stands reports whether what was wanted is still ahead of the size that there is: that may have been changed
// since, and a growth that somebody else went beyond is no decrease.
func stands(want rightsize.Recommendation, is policy.Quantity, r policy.Resource) bool {
	grows, to := want.Size > want.From, amountFor(r, want.Size)
	n, limited := is.Amount()
	switch {
	case limited && grows:
		return to > n
	case limited:
		return to < n
	}
	return is.IsUnset() || !grows
}

// sizer returns what a policy remembers of t, also from an earlier life, and nothing if that is too old.
func (a *Agent) sizer(t *target, p config.Rightsize, now time.Time) *sizer {
	z := t.sizers[p.Name]
	if z == nil {
		z = &sizer{}
		if err := a.restoreMeta(sizerKey(t.cfg.Name, p.Name), z); err != nil {
			a.logError("read what a right-size policy had learned", err)
			z = &sizer{}
		}
		t.sizers[p.Name] = z
	}
	if z.States == nil || now.Sub(z.At) > p.History {
		z = &sizer{Began: now, At: now.Add(-p.Every), States: map[policy.Resource]*rightsize.State{}}
		t.sizers[p.Name] = z
	}
	return z
}

// step shows a policy what was used since its last step.
func (a *Agent) step(t *target, z *sizer, p config.Rightsize, s policy.Situation) {
	from := s.Now.Add(-p.Every)
	u := a.senses.Used(t.cfg.Name, from, s.Now)
	z.At = s.Now
	z.wanted, z.used = map[policy.Resource]rightsize.Recommendation{}, map[policy.Resource]policy.Reading{}
	at := z.Began.Add(time.Duration(float64(s.Now.Sub(z.Began)) * float64(time.Minute) / float64(p.Every)))
	if p.Every >= time.Minute {
		at = s.Now
	}
	for _, r := range p.Resources {
		o, err := sizingOptions(r, p, s)
		if err != nil {
			a.tellUnsized(t, p.Name, r, err)
			continue
		}
		st := z.States[r]
		if st == nil {
			st = &rightsize.State{}
			z.States[r] = st
		}
		sample := sampleOf(r, u, o)
		sample.At = at
		z.wanted[r] = o.Observe(st, sample)
		a.tellUnsized(t, p.Name, r, z.unmeasured(r, sample))
		z.used[r] = policy.Reading{Signal: string(r), Value: sample.Used, Known: !math.IsNaN(sample.Used), At: s.Now, Expr: "measured over the last " + policy.FormatDuration(p.Every)}
	}
	if z.steps++; z.steps%keptEvery == 0 {
		a.loop.learned = append(a.loop.learned, learned{sizerKey(t.cfg.Name, p.Name), z})
	}
}

// unmeasuredFor is for how many steps the use of a resource may be unknown, as at the start, before that is told.
const unmeasuredFor = 5

// unmeasured says that nobody knows what is used, if that has been so for a while.
func (z *sizer) unmeasured(r policy.Resource, s rightsize.Sample) error {
	if !math.IsNaN(s.Used) {
		delete(z.unseen, r)
		return nil
	}
	if z.unseen == nil {
		z.unseen = map[policy.Resource]int{}
	}
	if z.unseen[r]++; z.unseen[r] < unmeasuredFor {
		return nil
	}
	return fmt.Errorf("what it uses of %s is not measured: see engramd status and engramd doctor", r)
}

// sizeOf names, among the faults of a target, that a policy cannot size a resource.
func sizeOf(r policy.Resource, name string) string { return "size " + string(r) + " by " + name }

// tellUnsized says, once, that a policy cannot size a resource, and why.
func (a *Agent) tellUnsized(t *target, name string, r policy.Resource, err error) {
	if !t.says(sizeOf(r, name), err) || err == nil {
		return
	}
	a.log.Warn("a right-size policy has nothing to go by", "policy", name, "target", t.cfg.Name, "resource", r, "error", err)
	a.emit(policy.Event{
		Type: policy.EventBlind, Severity: policy.Warning, Target: t.cfg.Name, Resource: r,
		Message: fmt.Sprintf("policy %s does not size %s of %s: %v", name, r, t.cfg.Name, err),
	})
}

// sizingOptions are the policy for one resource of one target: within the target's limits, else what
// the host has without its reserve. Where the target may be on any host there is nothing without limits.
func sizingOptions(r policy.Resource, p config.Rightsize, s policy.Situation) (rightsize.Options, error) {
	unit, least := 1000.0, 0.01
	o := rightsize.CPU(0, 0)
	if r == policy.Memory {
		unit, least, o = 1, 6<<20, rightsize.Memory(0, 0)
	}
	o.Margin = p.Margin
	o.Min, o.Max = least, float64(s.Host.Capacity[r]-s.Host.Reserve[r])/unit
	b := s.Target.Limits[r]
	if n, ok := b.Min.Amount(); ok {
		o.Min = math.Max(least, float64(n)/unit)
	}
	if n, ok := b.Max.Amount(); ok {
		o.Max = float64(n) / unit
	} else if s.Host.Skip != "" {
		return o, fmt.Errorf("limits.%s.max is not set, and how much there is this agent cannot know (%s): set it", r, s.Host.Skip)
	}
	if s.Target.Apply[r] == policy.ApplyRestart {
		o.ActionCost = rightsize.RestartCost
	}
	return o, o.Validate()
}

// sampleOf is what a use tells of one resource. What was not measured is unknown.
func sampleOf(r policy.Resource, u actuators.Usage, o rightsize.Options) rightsize.Sample {
	s := rightsize.Sample{Used: math.NaN(), Limit: 2 * o.Max} // unlimited
	if r == policy.CPU {
		if u.Cores != nil {
			s.Used = *u.Cores
		}
		if u.CPULimit != nil {
			s.Limit = *u.CPULimit
		}
		s.Throttled = u.ThrottledRatio != nil && *u.ThrottledRatio >= cutPeriods
		return s
	}
	if n, ok := u.InUse(); ok {
		s.Used = float64(n)
	}
	if u.MemoryLimit != nil {
		s.Limit = float64(*u.MemoryLimit)
	}
	s.OOM = u.OOMKills != nil && *u.OOMKills > 0
	s.Throttled = u.MemoryStall != nil && *u.MemoryStall >= cutStall
	return s
}

// proposalOfSize proposes what a right-size policy wants.
func proposalOfSize(p config.Rightsize, r policy.Resource, want rightsize.Recommendation, used policy.Reading) policy.Proposal {
	proposal := policy.Proposal{
		Policy: p.Name, Source: policy.FromRightsize, Row: -1, Condition: string(want.Rule), Verdict: policy.Scale, Mode: p.Mode, Why: want.Why(),
		Change: policy.Change{Resource: r, To: &policy.To{Amount: amountFor(r, want.Size)}},
	}
	if want.Rule == rightsize.Evidence {
		proposal.Evidence = fmt.Sprintf("%s was cut off at its limit", r)
	}
	if used.Known {
		proposal.Readings = []policy.Reading{used}
	}
	return proposal
}

// settledWithin is how far a size may be from one that waits already and be taken for the same: what is
// wanted changes a little with every step, and an approval is for one size.
const settledWithin = 0.1

// settled is p with the size of the action that waits for the same, if that is near enough.
func (t *target) settled(p policy.Proposal) policy.Proposal {
	w := t.waiting[p.Change.Resource]
	if w == nil || w.Decision.Policy != p.Policy || w.Decision.Change.To == nil {
		return p
	}
	asked, to := float64(w.Decision.Change.To.Amount), float64(p.Change.To.Amount)
	if math.Abs(asked-to) <= settledWithin*to {
		p.Change.To = &policy.To{Amount: w.Decision.Change.To.Amount}
	}
	return p
}

// stillWanted reports whether a right-size policy still wants a change in the direction of one that waits.
func (t *target) stillWanted(w actuators.Action) bool {
	z := t.sizers[w.Decision.Policy]
	if z == nil {
		return false
	}
	want := z.wanted[w.Resource]
	return want.Changes() && (want.Size > want.From) == (w.Direction == policy.Growth)
}

// follows reports whether a right-size policy or a schedule of now stands behind a proposal, and its mode.
func (a *Agent) follows(t *target, p policy.Proposal) (policy.Mode, bool) {
	switch p.Source {
	case policy.FromRightsize:
		for one := range a.loop.rightsizeOf(t.cfg.Name) {
			if one.Name == p.Policy && slices.Contains(one.Resources, p.Change.Resource) {
				return one.Mode, true
			}
		}
	case policy.FromSchedule:
		for _, one := range a.loop.cfg.Schedules {
			if one.Name == p.Policy && slices.Contains(one.Targets, t.cfg.Name) {
				return one.Mode, true
			}
		}
	}
	return "", false
}

// amountFor rounds a size up to what platforms count in: ten thousandths of a core, mebibytes.
func amountFor(r policy.Resource, size float64) int64 {
	if r == policy.Memory {
		return int64(math.Ceil(size/(1<<20))) << 20
	}
	return int64(math.Ceil(size*100-1e-6)) * 10
}

func sizerKey(target, name string) string { return "rightsize/" + target + "/" + name }

// A learned is what a policy remembers, to be written down by the end of a tick: all at once, since every write is one
// to the disk.
type learned struct {
	key string
	of  *sizer
}

// keepLearned writes down what right-size policies have learned.
func (a *Agent) keepLearned() {
	all := map[string]json.RawMessage{}
	for _, one := range a.loop.learned {
		text, err := json.Marshal(one.of)
		if err != nil {
			a.logError("keep what a right-size policy has learned", err)
			continue
		}
		all[one.key] = text
	}
	a.loop.learned = nil
	if len(all) > 0 {
		a.logError("keep what right-size policies have learned", a.journal.PutMetas(all))
	}
}

// keepSizers writes down what all right-size policies have learned, when the agent stops.
func (a *Agent) keepSizers() {
	for _, t := range a.loop.targets {
		for name, z := range t.sizers {
			a.loop.learned = append(a.loop.learned, learned{sizerKey(t.cfg.Name, name), z})
		}
	}
	a.keepLearned()
}
