package events

import (
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
	"github.com/prometheus/client_golang/prometheus"
)

// maxInfos bounds how many actions have an info sample: the newest ones.
const maxInfos = 200

// Metrics are the agent's own. The agent calls its methods as things happen; they may be called
// concurrently. Sizes are in base units: cores for CPU, bytes, seconds, ratios, else a count.
type Metrics struct {
	decisions  *prometheus.CounterVec
	actions    *prometheus.CounterVec
	info       *prometheus.GaugeVec
	current    *prometheus.GaugeVec
	desired    *prometheus.GaugeVec
	validating *prometheus.GaugeVec
	blind      *prometheus.GaugeVec
	budget     *prometheus.GaugeVec
	frozen     *prometheus.GaugeVec
	paused     *prometheus.GaugeVec
	standby    *prometheus.GaugeVec
	lastChange *prometheus.GaugeVec
	loop       prometheus.Histogram
	lastLoop   prometheus.Gauge

	mu    sync.Mutex
	ended map[string]bool // ids of actions that were counted
	infos []actionInfo    // oldest first
}

type actionInfo struct {
	id     string
	labels prometheus.Labels
}

// NewMetrics makes the metrics and registers them.
func NewMetrics(registry prometheus.Registerer) (*Metrics, error) {
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "engramd_" + name, Help: help}, labels)
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "engramd_" + name, Help: help}, labels)
	}
	m := &Metrics{
		decisions:  counter("decisions_total", "Decisions made, identical ones in a row counted each time.", "target", "resource", "policy", "verdict"),
		actions:    counter("actions_total", "Actions that ended, by how.", "target", "resource", "direction", "outcome"),
		info:       gauge("action_info", "1 for each of the newest actions.", "id", "target", "resource", "from", "to", "strategy", "outcome"),
		current:    gauge("current_size", "Effective size, in cores, bytes, seconds, a ratio or a count; +Inf is unlimited.", "target", "resource"),
		desired:    gauge("desired_size", "Size that the agent would have, in the unit of engramd_current_size.", "target", "resource"),
		validating: gauge("action_validating", "1 while a change is being watched.", "target", "resource"),
		blind:      gauge("policy_blind", "1 while a policy cannot see a signal that it needs.", "target", "policy"),
		budget:     gauge("budget_left", "Changes left in the budget.", "target", "budget"),
		frozen:     gauge("frozen", "1 while a resource is frozen; resource is empty for all of them.", "target", "resource"),
		paused:     gauge("paused", "1 while a target is paused; target is empty for all of them.", "target"),
		standby:    gauge("standby", "1 while another agent holds the target.", "target"),
		lastChange: gauge("last_change_timestamp_seconds", "When the agent last changed a resource, undos aside.", "target", "resource", "direction"),
		loop: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "engramd_loop_duration_seconds", Help: "How long one round of evaluating and deciding took.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}, NativeHistogramBucketFactor: 1.1,
		}),
		lastLoop: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "engramd_loop_last_timestamp_seconds", Help: "When the last round ended.",
		}),
		ended: map[string]bool{},
	}
	for _, c := range []prometheus.Collector{
		m.decisions, m.actions, m.info, m.current, m.desired, m.validating, m.blind, m.budget,
		m.frozen, m.paused, m.standby, m.lastChange, m.loop, m.lastLoop,
	} {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("register the agent's metrics: %w", err)
		}
	}
	return m, nil
}

// Decided counts a decision.
func (m *Metrics) Decided(d policy.Decision) {
	m.decisions.WithLabelValues(d.Target, string(d.Change.Resource), d.Policy, string(d.Verdict)).Inc()
}

// Action shows where an action is, and counts it once when it ends. Call it at every transition, and
// with Restored for those that the journal knows.
func (m *Metrics) Action(a actuators.Action) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.showInfo(a)
	m.showChange(a)
	watched := m.validating.WithLabelValues(a.TargetName, string(a.Resource))
	watched.Set(boolean(a.State == actuators.Validating))
	if actuators.Final(a.State) && !m.ended[a.ID] {
		m.ended[a.ID] = true
		m.actions.WithLabelValues(a.TargetName, string(a.Resource), string(a.Direction), string(a.State)).Inc()
	}
}

// Restored shows an action that the journal knows from an earlier life, without counting it.
func (m *Metrics) Restored(a actuators.Action) {
	m.mu.Lock()
	m.ended[a.ID] = actuators.Final(a.State)
	m.mu.Unlock()
	m.Action(a)
}

// showInfo puts a's info sample in place of the one it had.
func (m *Metrics) showInfo(a actuators.Action) {
	labels := prometheus.Labels{
		"id": a.ID, "target": a.TargetName, "resource": string(a.Resource),
		"from": a.Resource.Format(a.From), "to": a.Resource.Format(a.To), "strategy": string(a.Plan.Strategy), "outcome": string(a.State),
	}
	at := len(m.infos)
	for i, o := range m.infos {
		if o.id == a.ID {
			m.info.Delete(o.labels)
			at = i
		}
	}
	if at == len(m.infos) {
		m.infos = append(m.infos, actionInfo{id: a.ID})
	}
	m.infos[at].labels = labels
	m.info.With(labels).Set(1)
	if len(m.infos) > maxInfos {
		m.info.Delete(m.infos[0].labels)
		delete(m.ended, m.infos[0].id)
		m.infos = m.infos[1:]
	}
}

// showChange notes when a took effect. It is a time and not a counter because rules ask for what was
// changed lately: the first of a counter's samples is no increase, and a restart loses it.
func (m *Metrics) showChange(a actuators.Action) {
	for _, t := range a.Times {
		if t.State == actuators.Validating {
			m.lastChange.WithLabelValues(a.TargetName, string(a.Resource), string(a.Direction)).Set(float64(t.At.UnixMilli()) / 1e3)
		}
	}
}

// Size shows the current and the desired size of a resource. Unset removes the sample: absent is not
// zero.
func (m *Metrics) Size(target string, r policy.Resource, current, desired policy.Quantity) {
	set(m.current, r, current, target)
	set(m.desired, r, desired, target)
}

func set(g *prometheus.GaugeVec, r policy.Resource, q policy.Quantity, target string) {
	if q.IsUnset() {
		g.DeleteLabelValues(target, string(r))
		return
	}
	g.WithLabelValues(target, string(r)).Set(base(r, q))
}

// base converts a size that is not unset to base units.
func base(r policy.Resource, q policy.Quantity) float64 {
	if set := q.IDs(); set != nil {
		return float64(len(set))
	}
	n, ok := q.Amount()
	if !ok {
		return math.Inf(1)
	}
	switch r {
	case policy.CPU:
		return float64(n) / 1e3
	case policy.TiersHotThreshold, policy.TiersWarmThreshold:
		return float64(n) / 1e6
	}
	return float64(n)
}

// Blind shows whether a policy sees its signals.
func (m *Metrics) Blind(target, policyName string, blind bool) {
	m.blind.WithLabelValues(target, policyName).Set(boolean(blind))
}

// Budget shows what is left of a target's budgets.
func (m *Metrics) Budget(target string, hour, day, emergencies int) {
	m.budget.WithLabelValues(target, "hour").Set(float64(hour))
	m.budget.WithLabelValues(target, "day").Set(float64(day))
	m.budget.WithLabelValues(target, "emergency").Set(float64(emergencies))
}

// Frozen shows whether a resource is frozen, or with "" all of a target's.
func (m *Metrics) Frozen(target string, r policy.Resource, frozen bool) {
	m.frozen.WithLabelValues(target, string(r)).Set(boolean(frozen))
}

// Paused shows whether a target is paused, or with "" all.
func (m *Metrics) Paused(target string, paused bool) {
	m.paused.WithLabelValues(target).Set(boolean(paused))
}

// Standby shows whether another agent holds a target.
func (m *Metrics) Standby(target string, standby bool) {
	m.standby.WithLabelValues(target).Set(boolean(standby))
}

// Looped records one round of evaluating and deciding that ended at end.
func (m *Metrics) Looped(end time.Time, took time.Duration) {
	m.loop.Observe(took.Seconds())
	m.lastLoop.Set(float64(end.UnixMilli()) / 1e3)
}

// Forget removes the gauges of a target that is no longer configured. Its counters stay.
func (m *Metrics) Forget(target string) {
	for _, g := range []*prometheus.GaugeVec{m.current, m.desired, m.validating, m.blind, m.budget, m.frozen, m.paused, m.standby, m.lastChange} {
		g.DeletePartialMatch(prometheus.Labels{"target": target})
	}
}

// ForgetPolicy removes the gauge of a policy that a target no longer has.
func (m *Metrics) ForgetPolicy(target, policyName string) {
	m.blind.DeleteLabelValues(target, policyName)
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
