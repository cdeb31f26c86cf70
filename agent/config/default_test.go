package config_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/policy"
)

func TestDefault(t *testing.T) {
	top, err := os.ReadFile("../../agent.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(top), string(config.Default())); diff != "" {
		t.Errorf("agent.yaml at the top and agent/config/default.yaml differ; copy the one over the other:\n%s", diff)
	}
	c := parse(t, string(top))
	if len(c.Warnings) > 0 {
		t.Errorf("warnings: %v", c.Warnings)
	}
	if c.Mode != policy.Approve || c.DataDir != "./.engramd" || c.Listen.Agent != "127.0.0.1:9090" || len(c.Targets) > 0 || !c.Node.Enabled || c.Listen.Node != "127.0.0.1:7432" {
		t.Errorf("got %+v", c)
	}
	// What the default says out loud is what holds where a file says nothing, but for discover, the node, and how closely it is looked at.
	if diff := cmp.Diff(string(config.Show(parse(t, "version: 1\ndiscover: true\nnode: {enabled: true}\nmetrics: {interval: 5s}\n"))), string(config.Show(c))); diff != "" {
		t.Errorf("the commented default is not the default:\n%s", diff)
	}
}

// What is commented out in the default works, too.
func TestDefaultUncommented(t *testing.T) {
	var lines []string
	_, text, _ := strings.Cut(string(config.Default()), "\n\n") // without the head
	for line := range strings.Lines(text) {
		trimmed := strings.TrimLeft(line, " ")
		switch {
		case strings.HasPrefix(line, "#  "), strings.HasPrefix(line, "#    "):
			lines = append(lines, line[1:]) // an item below an empty list
		case strings.HasPrefix(trimmed, "# "):
			lines = append(lines, line[:len(line)-len(trimmed)]+trimmed[2:])
		default:
			for _, key := range []string{"targets", "policies", "on_alert"} {
				line = strings.Replace(line, key+": []", key+":", 1)
			}
			lines = append(lines, strings.Replace(line, "files: []", `files: ["preset:engram-scaling"]`, 1))
		}
	}
	c := parse(t, strings.Join(lines, ""))
	if len(c.Targets) != 1 || len(c.Policies) != 1 || len(c.Rules.OnAlert) != 1 || len(c.Windows) != 1 || c.Events.Webhook == nil {
		t.Errorf("got %+v", c)
	}
}

func TestInit(t *testing.T) {
	text := config.Init(map[string][]actuators.Found{"docker": {
		{Name: "web", Spec: &dockerSpec{Container: "web"}, Note: "image nginx:1.27,\n2 cores", HealthURL: "http://127.0.0.1:8080/health"},
		{Name: "/odd name!", Spec: &dockerSpec{Container: "odd", Host: "unix:///run/x: y.sock"}, MetricsURL: "http://127.0.0.1:9100/metrics"},
		{Name: "web", Spec: &dockerSpec{Container: "other"}},
		{Name: "!!", Spec: &dockerSpec{Container: "true"}},
	}})
	golden(t, "testdata/init.yaml", string(text))
	c := parse(t, string(text))
	var got []string
	for _, target := range c.Targets {
		got = append(got, target.Name+" "+target.Specs["docker"].(*dockerSpec).Container)
	}
	if diff := cmp.Diff([]string{"web web", "odd-name odd", "web-2 other", "target true"}, got); diff != "" {
		t.Error(diff)
	}
	if len(c.Policies) != 4 {
		t.Errorf("%d policies", len(c.Policies))
	}
}

func TestInitFoundNothing(t *testing.T) {
	if diff := cmp.Diff(string(config.Default()), string(config.Init(nil))); diff != "" {
		t.Error(diff)
	}
}

func parse(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := config.Parse("agent.yaml", []byte(text), registry())
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return c
}
