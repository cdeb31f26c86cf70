package rules

import (
	"time"

	"github.com/prometheus/prometheus/model/rulefmt"
)

// A File is one rule file without faults.
type File struct {
	// Name is the path, or preset:NAME.
	Name   string
	Groups []rulefmt.RuleGroup

	outline outline
}

// An AlertRule is one alerting rule of a file.
type AlertRule struct {
	File, Group, Name, Expr string
	Line                    int
	For                     time.Duration
}

// Alerts lists the file's alerting rules, in order.
func (f *File) Alerts() []AlertRule {
	var alerts []AlertRule
	for g, group := range f.Groups {
		for r, rule := range group.Rules {
			if rule.Alert == "" {
				continue
			}
			alerts = append(alerts, AlertRule{
				File: f.Name, Group: group.Name, Name: rule.Alert, Expr: rule.Expr,
				Line: f.outline.rule(g, r).Line, For: time.Duration(rule.For),
			})
		}
	}
	return alerts
}

// Recording says where the file's first recording rule is, and false if it has none.
func (f *File) Recording() (where Fault, ok bool) {
	for g, group := range f.Groups {
		for r, rule := range group.Rules {
			if rule.Record != "" {
				return f.at(g, r, "is a recording rule"), true
			}
		}
	}
	return Fault{}, false
}

// at makes a fault about one rule.
func (f *File) at(g, r int, text string) Fault {
	rule := f.Groups[g].Rules[r]
	return Fault{
		File: f.Name, Line: f.outline.rule(g, r).Line, Column: f.outline.rule(g, r).Column,
		Group: f.Groups[g].Name, Rule: r + 1, Name: rule.Alert + rule.Record, Text: text,
	}
}
