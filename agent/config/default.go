package config

import (
	_ "embed"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/engramd/engramd/actuators"
)

// The file is agent.yaml at the top of the project: a test holds the two equal, because a package can
// embed only what lies below it.
//
//go:embed default.yaml
var defaultYAML []byte

// Default returns the agent.yaml that is used when there is none.
func Default() []byte { return slices.Clone(defaultYAML) }

// Init writes an agent.yaml for what was found on this machine, by platform. Each thing found becomes
// a target that is watched and that nothing changes: policies and limits stand beside it as comments.
func Init(found map[string][]actuators.Found) []byte {
	var targets, policies strings.Builder
	names := map[string]bool{}
	for _, platform := range slices.Sorted(maps.Keys(found)) {
		for _, f := range found[platform] {
			name := uniqueName(f.Name, names)
			writeTarget(&targets, name, platform, f)
			writePolicy(&policies, name)
		}
	}
	text := string(defaultYAML)
	if targets.Len() == 0 {
		return []byte(text)
	}
	text = replaceSection(text, "targets", targets.String())
	text = replaceSection(text, "policies", policies.String())
	// What runs here may be a memory node, and have the port.
	text = strings.Replace(text, "\n  enabled: true\n", "\n  enabled: false\n", 1)
	text = closely.ReplaceAllString(text, "  interval: 15s\n")
	text = initHead + text[strings.Index(text, "\n\n")+1:]
	return []byte(discover.ReplaceAllString(text, ""))
}

// initHead says what a file is that names what was found.
const initHead = `# engramd's configuration, for what runs here. It watches these targets, changes nothing without a yes, and says
# what it sees on http://127.0.0.1:9090. ` + "`engramd check`" + ` says what is wrong with it, and docs/agent.yaml.md explains
# every key.
`

// closely is the line by which the embedded node is looked at more often than anything else needs.
var closely = regexp.MustCompile(`(?m)^  interval: 5s .*\n`)

// discover is the line that a file which names its targets does without.
var discover = regexp.MustCompile(`(?m)^discover: .*\n`)

// uniqueName makes a target's name of what a platform calls a thing.
func uniqueName(found string, taken map[string]bool) string {
	name := strings.Trim(regexp.MustCompile(`[^a-zA-Z0-9._-]+`).ReplaceAllString(found, "-"), "-._")
	if len(name) > 55 {
		name = strings.TrimRight(name[:55], "-._")
	}
	if name == "" {
		name = "target"
	}
	unique := name
	for i := 2; taken[unique]; i++ {
		unique = fmt.Sprintf("%s-%d", name, i)
	}
	taken[unique] = true
	return unique
}

func writeTarget(b *strings.Builder, name, platform string, f actuators.Found) {
	if note := oneLine(f.Note); note != "" {
		fmt.Fprintf(b, "  # %s\n", note)
	}
	fmt.Fprintf(b, "  - name: %s\n    %s: %s\n", scalar(name), platform, flow(f.Spec))
	if f.HealthURL != "" {
		fmt.Fprintf(b, "    health: {url: %s}\n", scalar(f.HealthURL))
	}
	b.WriteString("    # limits: {cpu: {min: 250m, max: 4}, memory: {min: 128Mi, max: 8Gi}}\n")
	if f.MetricsURL != "" {
		fmt.Fprintf(b, "    # its metrics are at %s: add them to metrics.scrape with target: %s\n", oneLine(f.MetricsURL), name)
	}
}

// writePolicy writes a policy that only proposes: half as much again when a target is short.
func writePolicy(b *strings.Builder, name string) {
	fmt.Fprintf(b, `  - name: %[1]s
    target: %[2]s
    matrix:
      signals:
        cpu: 100 * sum(rate(engramd_target_cpu_seconds_total{target="$target"}[1m])) / max(engramd_target_cpu_limit_cores{target="$target"})
      rows:
        - {when: {cpu: "< 70"}, do: none}
        - {when: {cpu: "70..85"}, for: 5m, do: plan, change: {cpu: {by: 50%%}}}
        - {when: {cpu: ">= 85"}, for: 2m, do: scale, change: {cpu: {by: x2}}}
`, scalar(name+"-cpu"), scalar(name))
}

// replaceSection puts lines in the place of a top-level key that is empty in the default, and of the
// comments that follow it.
func replaceSection(text, key, lines string) string {
	head, tail, found := strings.Cut(text, "\n"+key+": []\n")
	if !found {
		return text
	}
	for strings.HasPrefix(tail, "#") {
		_, tail, _ = strings.Cut(tail, "\n")
	}
	return head + "\n" + key + ":\n" + lines + tail
}

// flow writes a value in one line.
func flow(v any) string {
	text, err := yaml.MarshalWithOptions(encode(reflect.ValueOf(v)), yaml.Flow(true))
	if err != nil {
		return "{}"
	}
	return strings.TrimSpace(string(text))
}

// scalar writes a text as YAML, with quotes where it needs them.
func scalar(text string) string { return flow(text) }

// oneLine makes a text fit for a comment.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
