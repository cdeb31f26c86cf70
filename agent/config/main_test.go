package config_test

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"os"
	"testing"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

var update = flag.Bool("update", false, "rewrite the expected texts")

// registry has one platform, like the first build.
func registry() actuators.Registry {
	return actuators.Registry{"docker": {
		NewSpec: func() any { return &dockerSpec{} },
		Check: func(spec any) error {
			if spec.(*dockerSpec).Container == "" {
				return errors.New("docker: container is missing: give the container's name")
			}
			return nil
		},
		Open: func(*slog.Logger) (actuators.Driver, error) { return driver{}, nil },
	}}
}

type dockerSpec struct {
	Container string `yaml:"container" json:"container"`
	Host      string `yaml:"host,omitempty" json:"host,omitempty"`
}

type driver struct{}

var errUnused = errors.New("not for this test")

func (driver) Resources() []policy.Resource { return []policy.Resource{policy.CPU, policy.Memory} }

func (driver) Observe(context.Context, policy.Target) (actuators.State, error) {
	return actuators.State{}, errUnused
}

func (driver) Plan(policy.Target, actuators.State, policy.Size) (actuators.Plan, error) {
	return actuators.Plan{}, errUnused
}
func (driver) Do(context.Context, policy.Target, actuators.Step) error   { return errUnused }
func (driver) Undo(context.Context, policy.Target, actuators.Step) error { return errUnused }

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
