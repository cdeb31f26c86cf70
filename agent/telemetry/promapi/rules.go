package promapi

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	jsoniter "github.com/json-iterator/go"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/rules"
)

type ruleGroup struct {
	Name           string    `json:"name"`
	File           string    `json:"file"`
	Rules          []any     `json:"rules"`
	Interval       float64   `json:"interval"`
	Limit          int       `json:"limit"`
	EvaluationTime float64   `json:"evaluationTime"`
	LastEvaluation time.Time `json:"lastEvaluation"`
}

type rule struct {
	Name           string            `json:"name"`
	Query          string            `json:"query"`
	Labels         map[string]string `json:"labels"`
	Health         rules.RuleHealth  `json:"health"`
	LastError      string            `json:"lastError,omitempty"`
	EvaluationTime float64           `json:"evaluationTime"`
	LastEvaluation time.Time         `json:"lastEvaluation"`
	Type           string            `json:"type"`
}

type alertingRule struct {
	State         string            `json:"state"`
	Duration      float64           `json:"duration"`
	KeepFiringFor float64           `json:"keepFiringFor"`
	Annotations   map[string]string `json:"annotations"`
	Alerts        []alert           `json:"alerts"`
	rule
}

type alert struct {
	Labels          map[string]string `json:"labels"`
	Annotations     map[string]string `json:"annotations"`
	State           string            `json:"state"`
	ActiveAt        *time.Time        `json:"activeAt,omitempty"`
	KeepFiringSince *time.Time        `json:"keepFiringSince,omitempty"`
	Value           string            `json:"value"`
}

func (a *api) groups() []*rules.Group {
	if a.Groups == nil {
		return nil
	}
	return a.Groups()
}

func (a *api) rules(r *http.Request) (answer, error) {
	kind := r.Form.Get("type")
	if kind != "" && kind != "alert" && kind != "record" {
		return answer{}, badData("type", fmt.Errorf("not supported value %q", kind))
	}
	without := false
	if s := r.Form.Get("exclude_alerts"); s != "" {
		var err error
		if without, err = strconv.ParseBool(s); err != nil {
			return answer{}, badData("exclude_alerts", errors.New("want true or false"))
		}
	}
	sets, err := a.selectors(r)
	if err != nil {
		return answer{}, err
	}
	list := []ruleGroup{}
	for _, g := range a.groups() {
		if !wanted(r.Form["rule_group[]"], g.Name()) || !wanted(r.Form["file[]"], g.File()) {
			continue
		}
		out := ruleGroup{Name: g.Name(), File: g.File(), Interval: g.Interval().Seconds(), Limit: g.Limit(), Rules: []any{},
			EvaluationTime: g.GetEvaluationTime().Seconds(), LastEvaluation: g.GetLastEvaluation()}
		for _, one := range g.Rules(sets...) {
			if wanted(r.Form["rule_name[]"], one.Name()) {
				out.Rules = appendRule(out.Rules, one, kind, without)
			}
		}
		if len(out.Rules) > 0 {
			list = append(list, out)
		}
	}
	return answer{data: func(s *jsoniter.Stream) { s.WriteVal(map[string]any{"groups": list}) }}, nil
}

func wanted(names []string, name string) bool {
	return len(names) == 0 || slices.Contains(names, name)
}

func appendRule(out []any, one rules.Rule, kind string, withoutAlerts bool) []any {
	common := rule{Name: one.Name(), Query: one.Query().String(), Labels: one.Labels().Map(), Health: one.Health(),
		EvaluationTime: one.GetEvaluationDuration().Seconds(), LastEvaluation: one.GetEvaluationTimestamp()}
	if err := one.LastError(); err != nil {
		common.LastError = err.Error()
	}
	switch one := one.(type) {
	case *rules.AlertingRule:
		if kind == "record" {
			return out
		}
		common.Type = "alerting"
		ar := alertingRule{rule: common, State: one.State().String(), Duration: one.HoldDuration().Seconds(),
			KeepFiringFor: one.KeepFiringFor().Seconds(), Annotations: one.Annotations().Map(), Alerts: []alert{}}
		if !withoutAlerts {
			ar.Alerts = alertsOf(one)
		}
		return append(out, ar)
	case *rules.RecordingRule:
		if kind == "alert" {
			return out
		}
		common.Type = "recording"
		return append(out, common)
	}
	return out
}

func (a *api) alerts(*http.Request) (answer, error) {
	list := []alert{}
	for _, g := range a.groups() {
		for _, one := range g.AlertingRules() {
			list = append(list, alertsOf(one)...)
		}
	}
	return answer{data: func(s *jsoniter.Stream) { s.WriteVal(map[string]any{"alerts": list}) }}, nil
}

func alertsOf(r *rules.AlertingRule) []alert {
	list := []alert{}
	for _, a := range r.ActiveAlerts() {
		one := alert{Labels: a.Labels.Map(), Annotations: a.Annotations.Map(), State: a.State.String(),
			ActiveAt: &a.ActiveAt, Value: strconv.FormatFloat(a.Value, 'e', -1, 64)}
		if !a.KeepFiringSince.IsZero() {
			one.KeepFiringSince = &a.KeepFiringSince
		}
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b alert) int { return labels.Compare(labels.FromMap(a.Labels), labels.FromMap(b.Labels)) })
	return list
}
