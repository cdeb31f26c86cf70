package rules_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/promqltest"
	promrules "github.com/prometheus/prometheus/rules"
	"go.yaml.in/yaml/v3"

	"github.com/engramd/engramd/rules"
)

// A unitFile is what `promtool test rules` reads, as far as our cases use it.
type unitFile struct {
	RuleFiles          []string       `yaml:"rule_files"`
	EvaluationInterval model.Duration `yaml:"evaluation_interval"`
	Tests              []unitCase     `yaml:"tests"`
}

type unitCase struct {
	Name        string         `yaml:"name"`
	Interval    model.Duration `yaml:"interval"`
	InputSeries []struct {
		Series string `yaml:"series"`
		Values string `yaml:"values"`
	} `yaml:"input_series"`
	AlertRuleTest []struct {
		EvalTime  model.Duration  `yaml:"eval_time"`
		Alertname string          `yaml:"alertname"`
		ExpAlerts []expectedAlert `yaml:"exp_alerts"`
	} `yaml:"alert_rule_test"`
}

type expectedAlert struct {
	Labels      map[string]string `yaml:"exp_labels"`
	Annotations map[string]string `yaml:"exp_annotations"`
}

// evaluate runs the groups of a rule file over the case's series, as promtool does, and calls visit
// after each evaluation.
func (c unitCase) evaluate(t *testing.T, ruleFile string, every time.Duration, visit func(since time.Duration, rules []*promrules.AlertingRule)) {
	t.Helper()
	var load strings.Builder
	fmt.Fprintf(&load, "load %s\n", c.Interval)
	for _, s := range c.InputSeries {
		fmt.Fprintf(&load, "  %s %s\n", s.Series, s.Values)
	}
	suite, err := promqltest.NewLazyLoader(load.String(), promqltest.LazyLoaderOpts{})
	if err != nil {
		t.Fatal(err)
	}
	defer suite.Close()
	library := promrules.NewManager(&promrules.ManagerOptions{
		QueryFunc:  promrules.EngineQueryFunc(suite.QueryEngine(), suite.Storage()),
		Appendable: suite.Storage(),
		Context:    t.Context(),
		NotifyFunc: func(context.Context, string, ...*promrules.Alert) {},
	})
	groups, errs := library.LoadGroups(every, labels.EmptyLabels(), "", nil, false, ruleFile)
	if errs != nil {
		t.Fatal(errs)
	}
	var end time.Duration
	for _, a := range c.AlertRuleTest {
		end = max(end, time.Duration(a.EvalTime))
	}
	for since := time.Duration(0); since <= end; since += every {
		at := time.Unix(0, 0).Add(since)
		suite.WithSamplesTill(at, func(err error) {
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range groups {
				g.Eval(t.Context(), at)
				for _, r := range g.Rules() {
					if r.LastError() != nil {
						t.Fatalf("%s after %s: %v", r.Name(), since, r.LastError())
					}
				}
				visit(since, g.AlertingRules())
			}
		})
	}
}

func firing(rs []*promrules.AlertingRule, name string) []expectedAlert {
	var got []expectedAlert
	for _, r := range rs {
		if r.Name() != name {
			continue
		}
		for _, a := range r.ActiveAlerts() {
			if a.State == promrules.StateFiring {
				l := a.Labels.Map()
				delete(l, "alertname")
				got = append(got, expectedAlert{l, a.Annotations.Map()})
			}
		}
	}
	slices.SortFunc(got, func(a, b expectedAlert) int { return strings.Compare(a.Labels["target"], b.Labels["target"]) })
	return got
}

func readUnitFile(t *testing.T, path string) unitFile {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file unitFile
	if err := yaml.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestPresetsFire(t *testing.T) {
	for _, name := range rules.Presets() {
		file := readUnitFile(t, filepath.Join("presets", name+"_test.yaml"))
		fired := map[string]bool{}
		for _, c := range file.Tests {
			t.Run(c.Name, func(t *testing.T) {
				rulesAt := map[time.Duration]map[string][]expectedAlert{}
				c.evaluate(t, filepath.Join("presets", file.RuleFiles[0]), time.Duration(file.EvaluationInterval),
					func(since time.Duration, rs []*promrules.AlertingRule) {
						rulesAt[since] = map[string][]expectedAlert{}
						for _, r := range rs {
							rulesAt[since][r.Name()] = firing(rs, r.Name())
						}
					})
				for _, want := range c.AlertRuleTest {
					got := rulesAt[time.Duration(want.EvalTime)][want.Alertname]
					if len(got) == 0 && len(want.ExpAlerts) == 0 {
						continue
					}
					if diff := cmp.Diff(want.ExpAlerts, got); diff != "" {
						t.Errorf("%s after %s (-want +got):\n%s", want.Alertname, want.EvalTime, diff)
					}
					fired[want.Alertname] = fired[want.Alertname] || len(got) > 0
				}
			})
		}
		preset, err := rules.Preset(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range preset.Alerts() {
			if !fired[a.Name] {
				t.Errorf("%s: no case in which %s fires", name, a.Name)
			}
		}
		if found := rules.Lint(preset); len(found) > 0 {
			t.Errorf("%s: lint: %v", name, found)
		}
	}
}

// The guide's own rules stay silent over everything that ours fire on: that is why they are repaired.
func TestGuideAlertsStaySilent(t *testing.T) {
	file := readUnitFile(t, "presets/engram-scaling_test.yaml")
	for _, c := range file.Tests {
		c.evaluate(t, "testdata/guide-alerts.yaml", time.Duration(file.EvaluationInterval),
			func(since time.Duration, rs []*promrules.AlertingRule) {
				for _, r := range rs {
					if r.State() != promrules.StateInactive {
						t.Errorf("%s: %s is %s after %s", c.Name, r.Name(), r.State(), since)
					}
				}
			})
	}
}

func TestPresetUnknown(t *testing.T) {
	if _, err := rules.Preset("engram"); err == nil || err.Error() != `no rule preset "engram": there is engram-scaling, engram-volume` {
		t.Errorf("got %v", err)
	}
}

func TestPresetSource(t *testing.T) {
	got, err := rules.PresetSource("engram-scaling")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("presets/engram-scaling.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Error(diff)
	}
}
