package loop

import (
	"maps"
	"os"
	"strings"
	"testing"
	"text/template"
)

// Values are what an agent.yaml of a test is filled in with: {{.docker}} and the like.
type Values map[string]any

// head is what every agent of a test has: a directory and a port of its own, and a log that tells everything.
const head = `version: 1
data_dir: {{.data_dir}}
listen: {agent: "{{.addr}}"}
log: {level: debug}
node: {enabled: false}
`

// Configure writes agent.yaml: data_dir, listen, log and node are there already, the rest is yaml, a text/template with the
// given values. An agent that runs reads it at its next start or reload.
func (a *Agent) Configure(t testing.TB, yaml string, values Values) {
	t.Helper()
	tmpl, err := template.New("agent.yaml").Option("missingkey=error").Parse(head + yaml)
	if err != nil {
		t.Fatalf("loop: %v", err)
	}
	all := Values{"data_dir": a.Dir, "addr": a.Addr}
	maps.Copy(all, values)
	var text strings.Builder
	if err := tmpl.Execute(&text, all); err != nil {
		t.Fatalf("loop: %v", err)
	}
	a.Write(t, text.String())
}

// Write writes agent.yaml as it is given.
func (a *Agent) Write(t testing.TB, text string) {
	t.Helper()
	if err := os.WriteFile(a.ConfigFile, []byte(text), 0o600); err != nil {
		t.Fatalf("loop: %v", err)
	}
}
