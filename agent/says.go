package agent

import (
	"cmp"
	"slices"

	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/policy/rightsize"
	"github.com/engramd/engramd/rules"
)

// rightsizeStatus is what the right-size policies of a target think: one line for each resource, of the last step.
func (a *Agent) rightsizeStatus(t *target) []api.PolicyStatus {
	var all []api.PolicyStatus
	for p := range a.loop.rightsizeOf(t.cfg.Name) {
		for _, r := range p.Resources {
			s := api.PolicyStatus{Name: p.Name, Kind: "rightsize", Row: -1}
			if z := t.sizers[p.Name]; z != nil {
				if want, ok := z.wanted[r]; ok {
					s = thoughtOf(p.Name, r, want, z.used[r])
				}
			}
			if fault := t.faults[sizeOf(r, p.Name)]; fault != "" {
				s.Verdict, s.Why = policy.Blind, fault
			}
			all = append(all, s)
		}
	}
	return all
}

// thoughtOf is what a right-size policy thought of a resource at its last step.
func thoughtOf(name string, r policy.Resource, want rightsize.Recommendation, used policy.Reading) api.PolicyStatus {
	s := api.PolicyStatus{
		Name: name, Kind: "rightsize", Row: -1, Verdict: policy.None, Condition: string(r) + " " + string(want.Rule), Why: want.Why(),
		Readings: []policy.Reading{used},
	}
	if want.Changes() {
		s.Verdict = policy.Scale
	}
	return s
}

// alertStatus is what the alerts say that are bound to a target, one line for each.
func (a *Agent) alertStatus(t *target) []api.PolicyStatus {
	active := a.alerts.Alerts()
	var all []api.PolicyStatus
	for _, b := range a.loop.cfg.Rules.OnAlert {
		known := func(s api.PolicyStatus) bool { return s.Name == b.Alert }
		if b.Target == t.cfg.Name && !slices.ContainsFunc(all, known) {
			all = append(all, alertSays(b, active))
		}
	}
	return all
}

// alertSays is what the alert of a binding says, of those that are pending or fire.
func alertSays(b config.Binding, active []rules.Alert) api.PolicyStatus {
	s := api.PolicyStatus{Name: b.Alert, Kind: "alert", Row: -1, Verdict: policy.None, Condition: "it does not fire"}
	for _, one := range active {
		if !speaksOf(b, one) {
			continue
		}
		s.Readings = []policy.Reading{{Signal: b.Alert, Expr: one.Expr, Value: one.Value, Known: one.Err == nil, At: one.Evaluated}}
		switch {
		case one.Err != nil:
			s.Verdict, s.Condition, s.Why = policy.Blind, "its query fails", one.Err.Error()
		case one.State == rules.Firing:
			s.Verdict, s.Condition, s.Since = verdictOf(b), "it fires", one.FiredAt
			s.Why = cmp.Or(b.Why, one.Annotations["summary"])
			return s
		default:
			s.Condition, s.Since = "it is pending", one.ActiveAt
		}
	}
	return s
}
