package config

import (
	"errors"

	"github.com/engramd/engramd/actuators"
)

// MaxBytes is the largest agent.yaml that is read.
const MaxBytes = 1 << 20

// Load reads and checks the file at path against the platforms of reg. Its error is a [Faults]
// unless the file could not be read.
func Load(path string, reg actuators.Registry) (*Config, error) {
	return nil, errors.ErrUnsupported
}

// Parse checks data; name stands for the file in faults, and the rule files it names are relative to
// name's directory. Its error is a [Faults].
func Parse(name string, data []byte, reg actuators.Registry) (*Config, error) {
	return nil, errors.ErrUnsupported
}

// Default returns the agent.yaml that is used when there is none.
func Default() []byte { return nil }

// Schema returns the JSON Schema of agent.yaml, for editors.
func Schema() []byte { return nil }

// Show writes c as an agent.yaml with every default. It names the files of secrets and never shows
// what is in them.
func Show(c *Config) []byte { return nil }

// Init writes an agent.yaml for what was found on this machine, by platform.
func Init(found map[string][]actuators.Found) []byte { return nil }
