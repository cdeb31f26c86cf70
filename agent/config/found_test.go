package config_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/policy"
)

// What was found is watched beside what the file names, under the file's own rules, and never acts
// without a person's yes.
func TestWithFound(t *testing.T) {
	c := parse(t, `version: 1
mode: auto
metrics: {interval: 1m}
validation: {duration: 10m}
safety: {cooldown: {up: 1h}, retry_after: 2h}
targets:
  - {name: mine, docker: {container: web}}
  - {name: odd-name, docker: {container: other}}
policies:
  - {name: mine-cpu, target: mine, preset: engram-cpu}
`)
	before := string(config.Show(c))
	got, err := config.WithFound(c, map[string][]actuators.Found{"docker": {
		{Name: "web", Spec: &dockerSpec{Container: "web"}},   // named by its section
		{Name: "mine", Spec: &dockerSpec{Container: "mine"}}, // its name is taken
		{Name: "odd name", Spec: &dockerSpec{Container: "odd"}},
		{Name: "db", Spec: &dockerSpec{Container: "db"}},
	}}, registry())
	if err != nil {
		t.Fatal(err)
	}
	var targets, policies []string
	for _, one := range got.Targets {
		targets = append(targets, one.Name+" "+string(one.Mode))
	}
	for _, p := range got.Policies {
		policies = append(policies, p.Name+" "+p.Every.String())
	}
	if diff := cmp.Diff([]string{"mine ", "odd-name ", "db approve"}, targets); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"mine-cpu 1m0s", "db-cpu 1m0s"}, policies); diff != "" {
		t.Error(diff)
	}
	db, _ := got.Target("db")
	if db.Safety != c.Safety || db.Procedure.RetryAfter != 2*time.Hour || db.Procedure.Validation.Duration != 10*time.Minute || db.Mode != policy.Approve {
		t.Errorf("got %+v", db)
	}
	if len(c.Targets) != 2 || len(c.Policies) != 1 || string(config.Show(c)) != before {
		t.Error("the configuration itself was changed")
	}
}

// Where nothing is found there is nothing more: what Init writes then has a node of its own.
func TestWithNothingFound(t *testing.T) {
	c, err := config.Parse("agent.yaml", []byte("version: 1\ndiscover: true\n"), widerRegistry())
	if err != nil {
		t.Fatal(err)
	}
	got, err := config.WithFound(c, map[string][]actuators.Found{"docker": nil}, widerRegistry())
	if err != nil || len(got.Targets) != 0 || len(got.Policies) != 0 {
		t.Errorf("%d targets, %d policies, %v", len(got.Targets), len(got.Policies), err)
	}
}
