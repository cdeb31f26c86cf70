package agent

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/policy"
)

// showMetrics puts the state of the targets into the agent's own metrics.
func (a *Agent) showMetrics(now time.Time) {
	for _, t := range a.loop.targets {
		name := t.cfg.Name
		effective := t.effective()
		for r := range t.sizes {
			a.metrics.Size(name, r, effective[r], t.desired(r))
		}
		left := t.ledger.Left(now, policy.Budget(t.cfg.Safety.Budget))
		a.metrics.Budget(name, left.Hour, left.Day, left.Emergencies)
		reason, _ := t.claim.standby()
		a.metrics.Standby(name, reason != "")
		if t.paused != "" {
			a.metrics.Paused(name, true)
		}
	}
	for _, f := range a.loop.freezes {
		a.metrics.Frozen(f.Target, f.Resource, true)
	}
	for _, p := range a.loop.pauses {
		a.metrics.Paused(p.Target, true)
	}
}

// scrapes shows what is scraped, and whether it answers.
func (a *Agent) scrapes() []api.ScrapeView {
	var all []api.ScrapeView
	for _, e := range a.endpoints() {
		v := api.ScrapeView{Job: e.Job, URL: e.URL, Target: e.Target, Up: !e.LastAt.IsZero() && e.Err == nil, LastAt: e.LastAt}
		if e.Err != nil {
			v.Error = e.Err.Error()
		}
		all = append(all, v)
	}
	return all
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
