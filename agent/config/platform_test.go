package config_test

import (
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/policy"
)

// fleetSpec is the section of a platform that nobody has thought of yet, with all that one may hold.
type fleetSpec struct {
	common  `yaml:",inline"`
	Address netip.Addr        `yaml:"address"`
	Size    shirt             `yaml:"size,omitempty"`
	Every   time.Duration     `yaml:"every,omitempty"`
	Share   float32           `yaml:"share,omitempty"`
	Count   uint16            `yaml:"count,omitempty"`
	On      *bool             `yaml:"on,omitempty"`
	Labels  map[string]string `yaml:"labels,omitempty"`
	Ports   []int8            `yaml:"ports,omitempty"`
	Odd     chan int          `yaml:"odd,omitempty"`
	Hidden  string            `yaml:"-"`
	Plain   string
}

type common struct {
	Name string `yaml:"fleet_name"`
}

// shirt decodes itself from YAML.
type shirt string

func (s *shirt) UnmarshalYAML(b []byte) error {
	switch text := strings.TrimSpace(string(b)); text {
	case "S", "M", "L":
		*s = shirt(text)
		return nil
	}
	return errors.New("want S, M or L")
}

type nodeSpec struct {
	URL   string `yaml:"url"`
	Owner string `yaml:"owner,omitempty"`
}

type nodeDriver struct{ driver }

func (nodeDriver) Resources() []policy.Resource {
	return []policy.Resource{policy.TiersHotThreshold, policy.EvictNow}
}

func widerRegistry() actuators.Registry {
	reg := registry()
	reg["fleet"] = actuators.Platform{
		NewSpec: func() any { return &fleetSpec{} },
		Check: func(spec any) error {
			if spec.(*fleetSpec).Count > 10 {
				return errors.New("fleet: count is more than ten\nfleet: think again")
			}
			return nil
		},
		Open: func(*slog.Logger) (actuators.Driver, error) { return nil, errors.New("no fleet here") },
	}
	reg["node"] = actuators.Platform{
		NewSpec: func() any { return &nodeSpec{} },
		Check:   func(any) error { return nil },
		Open:    func(*slog.Logger) (actuators.Driver, error) { return nodeDriver{}, nil },
	}
	return reg
}

// A platform is one entry of the registry: its section is decoded strictly into what the driver wants.
func TestPlatformSection(t *testing.T) {
	text := `version: 1
targets:
  - name: a
    node: {url: "http://127.0.0.1:7433/", owner: me}
    fleet: {fleet_name: f, address: 10.0.0.1, size: M, every: 1d, share: 0.5, count: 3, on: true, labels: {a: b}, ports: [1, 2], plain: x}
`
	c, err := config.Parse("agent.yaml", []byte(text), widerRegistry())
	if err != nil {
		t.Fatal(err)
	}
	want := config.Target{Drivers: []string{"fleet", "node"}, NodeURL: "http://127.0.0.1:7433"}
	if got := c.Targets[0]; !cmp.Equal(got.Drivers, want.Drivers) || got.NodeURL != want.NodeURL {
		t.Errorf("got %+v", got)
	}
	spec := &fleetSpec{
		common: common{"f"}, Address: netip.MustParseAddr("10.0.0.1"), Size: "M", Every: 24 * time.Hour, Share: 0.5, Count: 3,
		On: new(true), Labels: map[string]string{"a": "b"}, Ports: []int8{1, 2}, Plain: "x",
	}
	if diff := cmp.Diff(spec, c.Targets[0].Specs["fleet"], cmp.AllowUnexported(fleetSpec{}), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	if _, err := config.Parse("agent.yaml", config.Show(c), widerRegistry()); err != nil {
		t.Errorf("shown and refused: %v\n%s", err, config.Show(c))
	}
}

func TestPlatformFaults(t *testing.T) {
	text := `version: 1
targets:
  - name: a
    fleet: {fleet_nam: f, address: nowhere, size: XXL, share: many, count: 70000, ports: [300], odd: 1, hidden: x, labels: [a]}
  - name: b
    fleet: {count: 11}
    docker: {container: b}
  - name: c
    node: {url: 7433, ownr: x}
policies:
  - {name: p, target: c, preset: engram-memory}
  - {name: q, target: b, preset: engram-cpu}
`
	_, err := config.Parse("agent.yaml", []byte(text), widerRegistry())
	golden(t, "testdata/platform.faults", err.Error()+"\n")
}

// What the node's driver can change is no advice any more.
func TestNodeDriverOwnsTiers(t *testing.T) {
	text := `version: 1
targets:
  - {name: a, docker: {container: a}, node: {url: "http://127.0.0.1:7433"}, limits: {tiers: {hot_threshold: {max: 0.6}}}}
policies:
  - {name: p, target: a, preset: engram-memory}
`
	c, err := config.Parse("agent.yaml", []byte(text), widerRegistry())
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range c.Warnings {
		if strings.Contains(w.Text, "advice") && strings.Contains(w.Text, "tiers.hot_threshold") {
			t.Errorf("got %s", w)
		}
	}
}

func TestReserve(t *testing.T) {
	for _, tt := range []struct {
		r    config.Reserve
		want int64
	}{{config.Reserve{Fraction: 0.1}, 800}, {config.Reserve{Amount: 500}, 500}, {config.Reserve{}, 0}} {
		if got := tt.r.Of(8000); got != tt.want {
			t.Errorf("%+v: got %d", tt.r, got)
		}
	}
}
