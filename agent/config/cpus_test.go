package config_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/policy"
)

type placer struct{ driver }

func (placer) Resources() []policy.Resource {
	return []policy.Resource{policy.CPU, policy.Memory, policy.CPUs}
}

// placing has a platform that places targets and one that does not let anybody.
func placing() actuators.Registry {
	r := registry()
	docker, cluster := r["docker"], r["docker"]
	docker.Open = func(*slog.Logger) (actuators.Driver, error) { return placer{}, nil }
	cluster.Instead = map[policy.Resource]string{policy.CPUs: "its own manager places pods: ask that"}
	return actuators.Registry{"docker": docker, "cluster": cluster}
}

func loadPlacing(t *testing.T, text string) (*config.Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "agent.yaml")
	if err := os.WriteFile(path, []byte("version: 1\n"+text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.Load(path, placing())
}

func TestProcessors(t *testing.T) {
	for text, want := range map[string]string{
		"numa-aligned": "cpus to numa-aligned", "{to: numa-aligned}": "cpus to numa-aligned", "node1": "cpus to node1",
		`"8,0-3"`: "cpus to 0-3,8", "{to: 2}": "cpus to 2", "3": "cpus to 3", "all": "cpus to all",
	} {
		c, err := loadPlacing(t, `
targets: [{name: a, docker: {container: a}}]
policies: [{name: p, target: a, matrix: {signals: {x: "up{target=\"$target\"}"}, rows: [{when: {x: "< 1"}, do: none}, {when: {x: ">= 1"}, do: scale, change: {cpus: `+text+`}}]}}]`)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := c.Policies[0].Matrix.Rows[1].Changes[0].String(); got != want {
			t.Errorf("%s is %q, want %q", text, got, want)
		}
	}
	c, err := loadPlacing(t, "\ntargets: [{name: a, docker: {container: a}, cpus: numa-aligned}]\n")
	if err != nil || c.Targets[0].CPUs != policy.NUMAAligned {
		t.Errorf("a target's wish is %v, %v", c, err)
	}
}

func TestProcessorsThatCannotBeHad(t *testing.T) {
	row := func(target, change string) string {
		return `
targets: [` + target + `]
policies: [{name: p, target: a, matrix: {signals: {x: "up{target=\"$target\"}"}, rows: [{when: {x: "< 1"}, do: none}, {when: {x: ">= 1"}, do: scale, change: ` + change + `}]}}]`
	}
	docker, cluster := "{name: a, docker: {container: a}", "{name: a, cluster: {container: a}"
	for _, test := range []struct{ text, say string }{
		{row(docker+"}", "{cpus: {by: x2}}"), "say which processors"},
		{row(docker+"}", "{cpus: nodes}"), "want a node such as node1"},
		{row(docker+"}", "{cpus: {to: 3-1}}"), "want numa-aligned, all, a node such as node1, or processors such as 0-3,8"},
		{row(docker+", cpus: numa-aligned}", "{cpus: all}"), "is kept on its processors (cpus: numa-aligned), and this would move it"},
		{row(cluster+"}", "{cpus: numa-aligned}"), "its own manager places pods: ask that"},
		{"targets: [" + cluster + ", cpus: numa-aligned}]", "its own manager places pods: ask that"},
		{"targets: [" + docker + ", cpus: somewhere}]", "want numa-aligned"},
		{"targets: [" + docker + ", limits: {cpus: {max: 3}}}]", "unknown key"},
	} {
		if c, err := loadPlacing(t, test.text); err == nil || !strings.Contains(err.Error(), test.say) {
			t.Errorf("%s\n%v, %v; want a fault that says %q", test.text, c, err, test.say)
		}
	}
}
