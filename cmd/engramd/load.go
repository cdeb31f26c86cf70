package main

import (
	"errors"
	"io/fs"
	"os"

	"github.com/engramd/engramd/agent/config"
)

// builtIn is what faults call the configuration that is used when there is no file.
const builtIn = "built-in agent.yaml"

// configPath is the file that the flags and the surroundings name, "" for the built-in one.
func (o *options) configPath() string {
	if o.config != "" {
		return o.config
	}
	if path := os.Getenv("ENGRAMD_CONFIG"); path != "" {
		return path
	}
	for _, path := range []string{"agent.yaml", "/etc/engramd/agent.yaml"} {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return path // also one that may not be looked at: the built-in one is for who has none
		}
	}
	return ""
}

// load reads the configuration. Whatever is wrong with it, also that it cannot be read, is the configuration's fault.
func (o *options) load() (*config.Config, error) {
	path := o.configPath()
	if path == "" {
		return config.Parse(builtIn, config.Default(), registry())
	}
	cfg, err := config.Load(path, registry())
	if _, faulty := errors.AsType[config.Faults](err); err != nil && !faulty {
		return nil, usageError{err}
	}
	return cfg, err
}
