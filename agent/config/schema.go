package config

import (
	_ "embed"
	"slices"
)

// The schema is made from the types and comments of this package by `go test -update`, and a test
// holds it to them.
//
//go:embed schema.json
var schemaJSON []byte

// Schema returns the JSON Schema of agent.yaml, for editors.
func Schema() []byte { return slices.Clone(schemaJSON) }
