// Package presets holds the decision matrices of the Engram scaling guide as data.
//
// They are YAML, in the very form in which a person writes a matrix into agent.yaml, and not Go: so
// `engramd config show --preset engram-cpu` prints what runs, with a comment at every cell that the
// guide leaves open, and a copy of it is the beginning of a matrix of one's own. agent/config decodes
// them with the same strict decoder.
//
// A file holds `description`, `suggest` (limits that fit; they are shown and never applied), and
// `policies`: a name and a matrix each. A policy of agent.yaml that uses a preset becomes one policy
// for each of these. Where there is only one it has the user's name; where there are several, the
// preset's name is appended after a dash ("storage-wal").
package presets

import "embed"

// Files holds one file for each preset: its name with .yaml.
//
//go:embed *.yaml
var Files embed.FS

// Names lists the presets.
func Names() []string {
	return []string{"engram-cpu", "engram-memory", "engram-numa", "engram-queue", "engram-storage", "engram-tiers"}
}

// Read returns the YAML of a preset, and false if there is none of that name.
func Read(name string) ([]byte, bool) {
	b, err := Files.ReadFile(name + ".yaml")
	return b, err == nil
}
