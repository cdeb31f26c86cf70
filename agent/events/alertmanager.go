package events

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/engramd/engramd/policy"
)

const (
	// staysFor is how long an alert about something that happened once is shown.
	staysFor = 15 * time.Minute
	// heldFor is how long an alert about something that lasts survives an agent that fell silent; it
	// is renewed every refreshEvery.
	heldFor = 4 * refreshEvery
	// maxActive bounds the alerts that are renewed.
	maxActive = 1000
)

// An alertmanager sends events as alerts to the v2 API.
//
// Some types of events say that something lasts: blind, standby, freeze, pause, drift, failure. Such
// an alert is renewed until an event of the same type about the same thing comes with severity info,
// which ends it; one that ends a freeze ends the failure behind it, too. Any other event is an alert
// for a while.
type alertmanager struct {
	poster     *poster
	url        string
	source     string
	consoleURL string
	least      policy.Severity
	now        func() time.Time

	active map[string]alert
}

// An alert is the body of the v2 API.
type alert struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

func newAlertmanager(p *poster, cfg Config, least policy.Severity) *alertmanager {
	return &alertmanager{
		poster: p, url: strings.TrimSuffix(p.url, "/") + "/api/v2/alerts", source: cfg.Source,
		consoleURL: cfg.ConsoleURL, least: least, now: time.Now, active: map[string]alert{},
	}
}

func (m *alertmanager) deliver(ctx context.Context, e policy.Event) error {
	if !lasts(e.Type) {
		if rank(e.Severity) < rank(m.least) {
			return errNothing
		}
		a := m.alert(e)
		a.EndsAt = e.At.Add(staysFor)
		return m.send(ctx, a)
	}
	if rank(e.Severity) == 0 {
		return m.resolve(ctx, e)
	}
	if rank(e.Severity) < rank(m.least) {
		return errNothing
	}
	a := m.alert(e)
	if old, ok := m.active[subject(e)]; ok {
		a.StartsAt = old.StartsAt
	}
	if len(m.active) < maxActive {
		m.active[subject(e)] = a
	}
	a.EndsAt = m.now().Add(heldFor)
	return m.send(ctx, a)
}

// resolve ends the alert that e ends, if there is one.
func (m *alertmanager) resolve(ctx context.Context, e policy.Event) error {
	keys := []string{subject(e)}
	if e.Type == policy.EventFreeze {
		failure := e
		failure.Type = policy.EventFailure
		keys = append(keys, subject(failure))
	}
	var over []alert
	for _, key := range keys {
		if a, ok := m.active[key]; ok {
			delete(m.active, key)
			a.EndsAt = e.At
			over = append(over, a)
		}
	}
	return m.send(ctx, over...)
}

// refresh renews the alerts that last.
func (m *alertmanager) refresh(ctx context.Context) error {
	alerts := slices.Collect(maps.Values(m.active))
	for i := range alerts {
		alerts[i].EndsAt = m.now().Add(heldFor)
	}
	return m.send(ctx, alerts...)
}

func (m *alertmanager) send(ctx context.Context, alerts ...alert) error {
	if len(alerts) == 0 {
		return errNothing
	}
	body, err := json.Marshal(alerts)
	if err != nil {
		return fmt.Errorf("encode alerts: %w", err)
	}
	return m.poster.post(ctx, m.url, "application/json", body)
}

func (m *alertmanager) alert(e policy.Event) alert {
	labels := map[string]string{
		"alertname": alertName(e.Type), "severity": string(cmp.Or(e.Severity, policy.Info)), "instance": m.source,
		"target": e.Target, "resource": string(e.Resource), "policy": e.Details["policy"],
	}
	maps.DeleteFunc(labels, func(_, v string) bool { return v == "" })
	notes := map[string]string{"summary": e.Message}
	for k, v := range e.Details {
		if k != "policy" && k != "summary" {
			notes[k] = v
		}
	}
	if e.Decision != "" {
		notes["explain"] = "engramd explain " + e.Decision
	}
	return alert{Labels: labels, Annotations: notes, StartsAt: e.At, GeneratorURL: m.consoleURL}
}

// alertName is EngramdBlind for blind, and so on.
func alertName(t policy.EventType) string {
	name := string(t)
	if name == "" {
		return "Engramd"
	}
	return "Engramd" + strings.ToUpper(name[:1]) + name[1:]
}

// subject tells what an event of a lasting type is about.
func subject(e policy.Event) string {
	return strings.Join([]string{string(e.Type), e.Target, string(e.Resource), e.Details["policy"]}, "\x00")
}

// lasts reports whether events of that type begin or end something.
func lasts(t policy.EventType) bool {
	switch t {
	case policy.EventBlind, policy.EventStandby, policy.EventFreeze, policy.EventPause, policy.EventDrift, policy.EventFailure:
		return true
	}
	return false
}
