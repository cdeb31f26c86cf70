package rules

import (
	"embed"
	"fmt"
	"slices"
	"strings"
)

//go:embed presets/engram-scaling.yaml presets/engram-volume.yaml
var presets embed.FS

// Preset loads one of the rule files that come with engramd, by the name that [Presets] lists.
func Preset(name string) (*File, error) {
	if !slices.Contains(Presets(), name) {
		return nil, fmt.Errorf("no rule preset %q: there is %s", name, strings.Join(Presets(), ", "))
	}
	data, err := presets.ReadFile("presets/" + name + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("read rule preset %s: %w", name, err)
	}
	return Load("preset:"+name, data)
}

// PresetSource returns the text of a rule preset, for people to read and to copy.
func PresetSource(name string) ([]byte, error) {
	if _, err := Preset(name); err != nil {
		return nil, err
	}
	return presets.ReadFile("presets/" + name + ".yaml")
}

// Presets lists the names of the rule files that come with engramd.
func Presets() []string {
	entries, _ := presets.ReadDir("presets") // embedded: it is there
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return names
}
