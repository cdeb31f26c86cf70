package config_test

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/engramd/engramd/agent/config"
)

// comments are the comments of the package's types and fields: "Type" and "Type.Field".
func comments(t *testing.T) map[string]string { return commentsIn(t, ".") }

// declarations are the types, constants and variables of the package in a directory.
func declarations(t *testing.T, dir string) (all []*ast.GenDecl) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, e.Name()), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if decl, ok := d.(*ast.GenDecl); ok {
				all = append(all, decl)
			}
		}
	}
	return all
}

func collectFields(found map[string]string, spec *ast.TypeSpec) {
	s, ok := spec.Type.(*ast.StructType)
	if !ok {
		return
	}
	for _, f := range s.Fields.List {
		for _, name := range f.Names {
			found[spec.Name.Name+"."+name.Name] = sentence(f.Doc)
		}
	}
}

func sentence(g *ast.CommentGroup) string { return strings.Join(strings.Fields(g.Text()), " ") }

// A section is one mapping of agent.yaml.
type section struct {
	path  string // "targets[].drain"
	typ   reflect.Type
	value reflect.Value // with its defaults
	doc   string        // the comment of the key that it is the value of
	same  string        // the path of a section with the same keys, "" if this is the first
}

// sections walks the document, each section followed by those in it.
func sections(docs map[string]string) []section {
	seen := map[reflect.Type]string{}
	var walk func(path string, value reflect.Value, doc string) []section
	walk = func(path string, value reflect.Value, doc string) []section {
		s := section{path, value.Type(), value, doc, seen[value.Type()]}
		all := []section{s}
		if s.same != "" {
			return all
		}
		seen[s.typ] = path
		for _, key := range config.KeysOf(value) {
			if inner, suffix := sectionOf(key.Type); inner != nil && inner.Name() != "nodeSection" { // the platform's says more
				doc := "`" + key.Name + "` " + describe(docs, s.typ, key)
				all = append(all, walk(strings.TrimPrefix(path+"."+key.Name+suffix, "."), sectionValue(value.FieldByName(key.Field), inner), doc)...)
			}
		}
		return all
	}
	all := walk("", config.NewDocument(), "")
	for path, v := range config.ExtraSections() {
		all = append(all, section{path, v.Type(), v, docs[v.Type().Name()], ""})
	}
	return all
}

// sectionValue is what a section holds where the file says nothing.
func sectionValue(v reflect.Value, inner reflect.Type) reflect.Value {
	switch {
	case v.Kind() == reflect.Struct:
		return v
	case v.Kind() == reflect.Pointer && !v.IsNil():
		return v.Elem()
	}
	return config.Prepared(inner)
}

// describe is the comment of a field without its Go name.
func describe(docs map[string]string, t reflect.Type, key config.Key) string {
	return strings.TrimPrefix(docs[t.Name()+"."+key.Field], key.Field+" ")
}

// sectionOf returns the struct that a key's value is made of, nil if it is a plain value.
func sectionOf(t reflect.Type) (inner reflect.Type, suffix string) {
	switch {
	case plain[t.Name()] != "":
		return nil, ""
	case t.Kind() == reflect.Pointer:
		return sectionOf(t.Elem())
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct && plain[t.Elem().Name()] == "":
		return t.Elem(), "[]"
	case t.Kind() == reflect.Struct:
		return t, ""
	}
	return nil, ""
}

// plain says what a person writes for the types that decode themselves.
var plain = map[string]string{
	"Duration": "duration", "Bytes": "bytes", "percent": "per cent", "oneOrMore": "text or list", "cpuReserve": "per cent or cores", "memoryReserve": "per cent or bytes",
	"requestSection": "request", "smokeSection": "request or command", "limitsSection": "limits", "changesSection": "change",
	"metricsSource": "embedded or {prometheus: ...}", "Mode": "text", "AtDeadline": "text", "applyName": "text",
}

func typeName(t reflect.Type) string {
	if name := plain[t.Name()]; name != "" {
		return name
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeName(t.Elem())
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "whole number"
	case reflect.Float64:
		return "number"
	case reflect.Slice:
		return "list of " + typeName(t.Elem())
	case reflect.Map:
		return "mapping to " + typeName(t.Elem())
	case reflect.Struct:
		return "section"
	}
	return "text"
}

func TestReference(t *testing.T) {
	docs := comments(t)
	var b strings.Builder
	b.WriteString(referenceHead)
	for _, s := range sections(docs) {
		fmt.Fprintf(&b, "\n## %s\n\n", cmp.Or(s.path, "agent.yaml"))
		if s.doc != "" {
			b.WriteString(s.doc + "\n\n")
		}
		if s.same != "" {
			fmt.Fprintf(&b, "The keys are those of %s.\n", s.same)
			continue
		}
		b.WriteString("| key | value | default | |\n|---|---|---|---|\n")
		for _, key := range config.KeysOf(s.value) {
			if docs[s.typ.Name()+"."+key.Field] == "" {
				t.Errorf("%s.%s has no comment", s.typ, key.Field)
			}
			b.WriteString(line(docs, s, key))
		}
	}
	referPlatforms(t, &b)
	golden(t, "../../docs/agent.yaml.md", b.String())
}

// line is the line of a key in the table of its section.
func line(docs map[string]string, s section, key config.Key) string {
	value, def := typeName(key.Type), ""
	if len(key.OneOf) > 0 {
		value = strings.Join(key.OneOf, ", ")
	}
	if inner, _ := sectionOf(key.Type); key.Default != "" && inner == nil {
		def = "`" + strings.Trim(key.Default, `"`) + "`"
	}
	text := describe(docs, s.typ, key)
	text = strings.TrimPrefix(strings.TrimPrefix(text, "is "), "are ")
	return fmt.Sprintf("| `%s` | %s | %s | %s |\n", key.Name, value, def, strings.ReplaceAll(text, "|", "\\|"))
}

const referenceHead = `# agent.yaml

Made from the code by ` + "`go test ./agent/config -update`" + `; agent.yaml at the top of the project is the commented default.

- **duration**: 30s, 5m, 48h, 7d, 2w, 1d12h. A day is 24 hours.
- **bytes**: Kubernetes quantities (512Mi, 1.5Gi) and 16GB.
- **cores** are 2, 1.5 or 250m; tier thresholds are 0.3 or 30%; threads and replicas whole numbers.
- **request**: "POST http://...", a URL alone, or a mapping as below.
- **change**: {cpu: {by: x2, cap: 8}}, {memory: {by: 50%}}, {cpu: {to: max}}, {threads: {spreading: {by: 1}}},
  {cpus: numa-aligned}, {cpus: {to: node1}}, {cpus: 0-3},
  {tiers: {hot_threshold: {by: 0.1, cap: 0.6}, evict: now}}, {storage: {by: x2, compact: true, prune: true, archive: true, retain: 12h}}.
- **limits**: {cpu: {min: 1, max: 8, steps: [1, 2, 4, 8]}, memory: {max: 16Gi}}, {threads: {spreading: {max: 8}}}.
- Expressions are PromQL; $target and $container stand for the target's name and its container.
- Files are relative to agent.yaml. Secrets are files and never stand in it.
- Every fault is told at once, with file:line:column; ` + "`engramd check`" + ` tells warnings, too.
`
