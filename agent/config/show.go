package config

import (
	"reflect"

	"github.com/goccy/go-yaml"
)

// Show writes c as an agent.yaml with every default. It names the files of secrets and never shows
// what is in them.
func Show(c *Config) []byte {
	text, err := yaml.MarshalWithOptions(encode(reflect.ValueOf(*c.document)), yaml.IndentSequence(true), yaml.UseLiteralStyleIfMultiline(true))
	if err != nil {
		// Everything in it was read from YAML or is a default: there is nothing that cannot be written.
		return []byte("# " + err.Error() + "\n")
	}
	return text
}
