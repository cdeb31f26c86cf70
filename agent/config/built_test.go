package config_test

import (
	"cmp"
	"fmt"
	"go/ast"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/docker"
	"github.com/engramd/engramd/actuators/kubernetes"
	"github.com/engramd/engramd/actuators/node"
	"github.com/engramd/engramd/actuators/systemd"
	"github.com/engramd/engramd/actuators/volume"
	"github.com/engramd/engramd/agent/config"
)

// built are the platforms of the command, whose sections the reference and the schema document.
func built() actuators.Registry {
	return actuators.Registry{"docker": docker.Platform(), "kubernetes": kubernetes.Platform(), "node": node.Platform(), "systemd": systemd.Platform(), "volume": volume.Platform()}
}

// platformSections are the sections of the platforms, each with its comments.
func platformSections(t *testing.T) (all []section, docs map[string]map[string]string) {
	t.Helper()
	docs = map[string]map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(built())) {
		spec := reflect.ValueOf(built()[name].NewSpec()).Elem()
		path := "targets[]." + name
		docs[path] = commentsIn(t, filepath.Join("../../actuators", name))
		all = append(all, section{path, spec.Type(), spec, "`" + name + "` says where the target is, to the driver for " + name + ".", ""})
		for _, key := range config.KeysOf(spec) {
			if inner, _ := sectionOf(key.Type); inner != nil {
				path := path + "." + key.Name
				docs[path] = docs["targets[]."+name]
				all = append(all, section{path, inner, reflect.New(inner).Elem(), "`" + key.Name + "` " + strings.TrimPrefix(docs[path][inner.Name()], inner.Name()+" "), ""})
			}
		}
	}
	return all, docs
}

// platformKeys are the keys of a platform's section with what its driver completes it with. A key
// without a comment of its own has that of its type, or of the key above it.
func platformKeys(t *testing.T, s section, docs map[string]string) (keys []config.Key) {
	t.Helper()
	above := ""
	for _, key := range config.KeysOf(s.value) {
		field := s.typ.Name() + "." + key.Field
		docs[field] = cmp.Or(docs[field], docs[key.Type.Name()], above)
		if rest, ok := strings.CutPrefix(docs[field], key.Field+" and "); ok { // it speaks of another one, too
			other, text, _ := strings.Cut(rest, " ")
			for _, one := range config.KeysOf(s.value) {
				if one.Field == other {
					rest = one.Name + " " + text
				}
			}
			docs[field] = key.Name + " and " + rest
		}
		if above = docs[field]; above == "" {
			t.Errorf("%s.%s has no comment", s.path, key.Name)
		}
		keys = append(keys, key)
	}
	return keys
}

// referPlatforms writes the part of the reference about the platforms.
func referPlatforms(t *testing.T, b *strings.Builder) {
	t.Helper()
	all, docs := platformSections(t)
	for _, s := range all {
		fmt.Fprintf(b, "\n## %s\n\n%s\n\n| key | value | default | |\n|---|---|---|---|\n", s.path, s.doc)
		for _, key := range platformKeys(t, s, docs[s.path]) {
			b.WriteString(line(docs[s.path], s, key))
		}
	}
}

// platformSchemas are the schemas of the platforms' sections.
func platformSchemas(t *testing.T) schema {
	t.Helper()
	all, docs := platformSections(t)
	properties := schema{}
	for _, s := range all {
		platformKeys(t, s, docs[s.path])
		name := strings.TrimPrefix(s.path, "targets[].")
		if strings.Contains(name, ".") {
			continue
		}
		one := sectionSchema(docs[s.path], s.value)
		one["description"] = s.doc
		properties[name] = one
	}
	return properties
}

// commentsIn are the comments of the types and fields of the package in a directory: "Type" and
// "Type.Field".
func commentsIn(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, decl := range declarations(t, dir) {
		for _, s := range decl.Specs {
			if spec, ok := s.(*ast.TypeSpec); ok {
				found[spec.Name.Name] = sentence(decl.Doc)
				collectFields(found, spec)
			}
		}
	}
	return found
}

// The whole example loads: what it says of every platform reaches its driver.
func TestExampleIsWhole(t *testing.T) {
	c, err := config.Parse("/etc/engramd/agent.yaml", readFile(t, "testdata/agent.example.yaml"), built())
	if err != nil {
		t.Fatal(err)
	}
	worker, _ := c.Target("worker")
	if got, ok := worker.Specs["systemd"].(*systemd.Spec); !ok || got.Unit != "worker.service" || !got.Persistent {
		t.Errorf("worker: %+v", worker.Specs)
	}
	api, _ := c.Target("api")
	got, ok := api.Specs["kubernetes"].(*kubernetes.Spec)
	if !ok || got.Namespace != "prod" || got.Deployment != "api" || got.Container != "api" || got.Controls != kubernetes.ControlBoth || got.Persist != kubernetes.PersistPrint {
		t.Errorf("api: %+v", api.Specs)
	}
	if api.Container != "api" || !slices.Equal(api.Drivers, []string{"kubernetes"}) || api.Apply["memory"] != "grow-live" {
		t.Errorf("api: %+v", api)
	}
}

func TestPlatformsAreChecked(t *testing.T) {
	tests := map[string]struct{ section, want string }{
		"no unit":          {"systemd: {}", "unit is missing"},
		"a template":       {"systemd: {unit: a@.service}", "is a template"},
		"the host itself":  {"systemd: {unit: init.scope}", "the host itself"},
		"a wrong key":      {"systemd: {unti: a}", `unknown key "unti"`},
		"no workload":      {"kubernetes: {namespace: a}", "no workload"},
		"two workloads":    {"kubernetes: {deployment: a, statefulset: b}", "several workloads"},
		"another word":     {"kubernetes: {deployment: a, persist: always}", "persist"},
		"a wrong type":     {"kubernetes: {self: maybe}", "true or false"},
		"two platforms":    {"systemd: {unit: a}\n    kubernetes: {deployment: a}", "has two platforms: systemd and kubernetes"},
		"none":             {"mode: auto", "has no platform"},
		"a node beside it": {"kubernetes: {deployment: a}\n    node: {url: \"http://a:7432\"}", ""},
		"slices":           {"systemd: {unit: a.slice, user: true}", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := config.Parse("agent.yaml", []byte("version: 1\ntargets:\n  - name: a\n    "+test.section+"\n"), built())
			switch {
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "agent.yaml:")):
				t.Errorf("got %v, want %q with its place", err, test.want)
			}
		})
	}
}

// Two targets may be in one cluster or on one host, but not the same thing.
func TestTwoTargetsOfOneUnit(t *testing.T) {
	text := "version: 1\ntargets:\n  - {name: a, systemd: {unit: x}}\n  - {name: b, systemd: {unit: x.service}}\n"
	if _, err := config.Parse("agent.yaml", []byte(text), built()); err == nil || !strings.Contains(err.Error(), "targets a and b are the same systemd") {
		t.Error(err)
	}
}

// The prices of reports are beside agent.yaml, as every file that it names.
func TestPricesOfReports(t *testing.T) {
	dir := t.TempDir()
	prices := filepath.Join(dir, "prices.yaml")
	if err := os.WriteFile(prices, []byte("currency: EUR\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse(filepath.Join(dir, "agent.yaml"), []byte("version: 1\nreport: {every: weekly, prices: prices.yaml}\n"), built())
	if err != nil {
		t.Fatal(err)
	}
	if c.Report.Prices != prices {
		t.Errorf("the prices are looked for in %s", c.Report.Prices)
	}
	if shown := string(config.Show(c)); !strings.Contains(shown, "prices: prices.yaml") {
		t.Errorf("shown as %s", shown)
	}
}
