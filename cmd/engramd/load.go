package main

import (
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
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return ""
}

// load reads the configuration.
func (o *options) load() (*config.Config, error) {
	if path := o.configPath(); path != "" {
		return config.Load(path, registry())
	}
	return config.Parse(builtIn, config.Default(), registry())
}
