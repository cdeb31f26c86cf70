package policy

import (
	"cmp"
	"fmt"
	"slices"
)

// A contender is a proposal with the size it would get.
type contender struct {
	Proposal
	touches  []Touch
	refused  string
	advice   bool
	strategy Strategy
	// waits says that a cooldown or the budget holds it now.
	waits bool
}

// arbitrate picks the one that speaks for a resource: growth over veto over decrease, larger over
// smaller. Everything else loses with a reason. What is only advice speaks only where nothing else
// does, and what cannot act never keeps from acting what can.
func (s *Situation) arbitrate(r Resource, all []contender) (contender, []Loser) {
	slices.SortStableFunc(all, better)
	winner := all[0]
	if winner.Direction == Decrease && winner.refused == "" {
		if veto := s.veto(r); veto != "" {
			for i := range all {
				if !all[i].advice && all[i].refused == "" {
					all[i].refused = veto
				}
			}
			winner = all[0]
		}
	}
	losers := make([]Loser, 0, len(all)-1)
	for _, c := range all[1:] {
		losers = append(losers, Loser{Proposal: c.Proposal, Reason: c.lost(winner)})
	}
	return winner, losers
}

// veto says why nothing of r may shrink; "" if it may.
func (s *Situation) veto(r Resource) string {
	for _, e := range s.Evaluations {
		if e.Veto && (len(e.VetoOn) == 0 || slices.Contains(e.VetoOn, r)) {
			return fmt.Sprintf("policy %s vetoes a decrease: %s", e.Policy, e.Text)
		}
	}
	return ""
}

// better orders contenders, the winner first.
func better(a, b contender) int {
	last := func(b bool) int {
		if b {
			return 1
		}
		return 0
	}
	return cmp.Or(
		last(a.advice)-last(b.advice),
		// A growth that is wanted keeps the resource from shrinking also where it cannot be had.
		last(a.Direction != Growth)-last(b.Direction != Growth),
		last(a.refused != "")-last(b.refused != ""),
		last(a.idle())-last(b.idle()),
		last(a.waits)-last(b.waits),
		-cmp.Compare(a.size(), b.size()),
		-cmp.Compare(a.Verdict.rank(), b.Verdict.rank()),
		last(a.Evidence == "")-last(b.Evidence == ""),
		cmp.Compare(a.Policy, b.Policy),
		cmp.Compare(a.Row, b.Row),
	)
}

// idle reports whether it would not run, whatever else holds.
func (c contender) idle() bool { return c.Verdict == PlanOnly || c.Mode == DryRun }

func (c contender) size() int64 {
	if c.Change.Resource == CPUs {
		if c.To.IsUnlimited() {
			return asMuchAsPossible
		}
		return int64(len(c.To.IDs()))
	}
	n, _ := c.To.Amount()
	return n
}

// lost says why c lost to the winner.
func (c contender) lost(w contender) string {
	by := fmt.Sprintf("%s (%s)", w.Policy, w.asked())
	switch {
	case c.refused != "":
		return c.refused
	case c.Direction == Decrease && w.Direction == Growth:
		return "a growth goes before a decrease: " + by
	case c.idle() && !w.idle():
		return "it would only be a plan; " + by + " runs"
	case c.waits && !w.waits:
		return "it has to wait for its cooldown or budget; " + by + " has not"
	case c.size() < w.size():
		return "the larger size goes first: " + by
	case c.Verdict.rank() < w.Verdict.rank():
		return "the more urgent goes first: " + by
	}
	return "the same is proposed by " + by
}

func (c contender) asked() string {
	if c.Direction == Operation {
		return string(c.Change.Resource)
	}
	return fmt.Sprintf("%s %s to %s", c.Change.Resource, c.Change.Resource.Format(c.From), c.Change.Resource.Format(c.To))
}
