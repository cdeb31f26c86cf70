package rules

import (
	"cmp"
	"hash/fnv"
	"slices"
	"strconv"
	"time"

	promrules "github.com/prometheus/prometheus/rules"
)

// An Alert is one series of an alerting rule that is pending or firing.
type Alert struct {
	Name, Group, File string
	State             string // one of the states below
	// Labels and Annotations are complete and expanded.
	Labels, Annotations map[string]string
	Value               float64 // may be NaN
	ActiveAt            time.Time
	FiredAt             time.Time // zero while pending; later than it was after a restart
	// KeptSince is when the condition ended, if the alert fires on because of keep_firing_for.
	KeptSince time.Time
	Expr      string
	For       time.Duration
	// Evaluated is when the rule was last asked, and Err why that failed: the state is then an old one,
	// and nothing should follow from it.
	Evaluated time.Time
	Err       error
	// Episode identifies this stretch of being active; it is the same after a restart, and another one
	// when the alert comes back.
	Episode string
}

// The states of an alert.
const (
	Pending  = "pending"
	Firing   = "firing"
	Resolved = "resolved" // only ever told to Notify
)

// Alerts lists the pending and firing alerts of all files, by name and the oldest first; none
// unless Run runs. After a start every alert is pending until the library has looked for the state it had before
// (two evaluations), so that nothing acts twice in one episode.
func (e *Evaluator) Alerts() []Alert {
	var alerts []Alert
	for _, group := range e.RuleGroups() {
		for _, rule := range group.AlertingRules() {
			alerts = append(alerts, alertsOf(group, rule)...)
		}
	}
	slices.SortFunc(alerts, byName)
	return alerts
}

func byName(a, b Alert) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), a.ActiveAt.Compare(b.ActiveAt), cmp.Compare(a.Episode, b.Episode))
}

// alertsOf lists the pending and firing alerts of one rule. The library keeps resolved ones for a
// while; they are left out.
func alertsOf(group *promrules.Group, rule *promrules.AlertingRule) []Alert {
	var alerts []Alert
	restored := rule.Restored()
	rule.ForEachActiveAlert(func(a *promrules.Alert) {
		if a.State != promrules.StateInactive {
			alerts = append(alerts, newAlert(group, rule, a, restored))
		}
	})
	return alerts
}

func newAlert(group *promrules.Group, rule *promrules.AlertingRule, a *promrules.Alert, restored bool) Alert {
	alert := Alert{
		Name: rule.Name(), Group: group.Name(), File: group.File(),
		State:  Pending,
		Labels: a.Labels.Map(), Annotations: a.Annotations.Map(),
		Value: a.Value, ActiveAt: a.ActiveAt, KeptSince: a.KeepFiringSince,
		Expr: rule.Query().String(), For: rule.HoldDuration(),
		Evaluated: rule.GetEvaluationTimestamp(), Err: rule.LastError(),
	}
	if restored && a.State == promrules.StateFiring {
		alert.State, alert.FiredAt = Firing, a.FiredAt
	}
	// The storage keeps when an alert became active in whole seconds.
	h := fnv.New64a()
	h.Write([]byte(a.Labels.String()))
	alert.Episode = rule.Name() + "-" + strconv.FormatInt(a.ActiveAt.Unix(), 10) + "-" + strconv.FormatUint(h.Sum64(), 36)
	return alert
}
