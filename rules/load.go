package rules

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"go.yaml.in/yaml/v3"
)

// MaxBytes is the largest rule file that is read.
const MaxBytes = 1 << 20

// Load checks one rule file; name is for messages. Its error is a [Faults] with everything that is
// wrong, each with line, group, rule and remedy.
func Load(name string, data []byte) (*File, error) {
	if len(data) > MaxBytes {
		return nil, Faults{{File: name, Text: fmt.Sprintf("file of %d bytes", len(data)),
			Hint: fmt.Sprintf("at most %d are read; split it", MaxBytes)}}
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, Faults{yamlFault(name, err.Error())}
	}
	f := &File{Name: name, outline: outline{source: data, root: nowhere()}}
	if len(doc.Content) > 0 {
		f.outline.root = doc.Content[0]
	}
	faults, readable := checkShape(f)
	if readable {
		groups, errs := rulefmt.Parse(data, true, model.UTF8Validation, promQL(), slog.New(slog.DiscardHandler))
		if groups != nil {
			f.Groups = groups.Groups
		}
		for _, err := range errs {
			faults = append(faults, f.translate(err))
		}
	}
	if len(faults) > 0 {
		return nil, sorted(faults)
	}
	return f, nil
}

var yamlLine = regexp.MustCompile(`line (\d+): `)

// yamlFault makes a fault of an error text of the YAML library.
func yamlFault(file, text string) Fault {
	f := Fault{File: file, Hint: "see the indentation and the quotes in the block that begins there"}
	text = strings.TrimPrefix(text, "yaml: ")
	text = strings.TrimPrefix(text, "unmarshal errors:\n  ")
	text, _, _ = strings.Cut(text, "\n")
	if m := yamlLine.FindStringSubmatchIndex(text); m != nil {
		f.Line, _ = strconv.Atoi(text[m[2]:m[3]])
		text = text[:m[0]] + text[m[1]:]
	}
	f.Text = text
	return f
}

// translate gives one of rulefmt's errors its place.
func (f *File) translate(err error) Fault {
	ruleErr, ok := errors.AsType[*rulefmt.Error](err)
	if !ok {
		return f.translateGroup(err)
	}
	g, r := f.groupNamed(ruleErr.Group), ruleErr.Rule-1
	cause := errors.Unwrap(&ruleErr.Err)
	if cause == nil {
		cause = &ruleErr.Err
	}
	text := cause.Error()
	node := f.outline.inRule(g, r, keyIn(text)...)
	fault := Fault{
		File: f.Name, Line: node.Line, Column: node.Column, Group: ruleErr.Group, Rule: ruleErr.Rule, Name: ruleErr.RuleName,
		Text: text, Hint: remedy(text),
	}
	if _, perr := parse(node.Value); perr != nil && strings.HasPrefix(text, "could not parse expression") {
		bad, _ := errors.AsType[*ExprError](perr)
		fault.Text = "expr: " + bad.Text
		fault.Line, fault.Column = Locate(f.outline.source, node.Line, node.Column, node.Value, bad.Offset)
	}
	return fault
}

var groupPlace = regexp.MustCompile(`^(\d+):(\d+): `)

func (f *File) translateGroup(err error) Fault {
	text := groupPlace.ReplaceAllString(err.Error(), "")
	fault := yamlFault(f.Name, text)
	fault.Hint = ""
	name := ""
	switch {
	case strings.Contains(text, "is repeated in the same file"):
		name = quotedName(text)
		fault.Text, fault.Hint = fmt.Sprintf("group %q is there twice", name), "rename one, or put their rules together"
	case strings.Contains(text, "Groupname must not be empty"):
		fault.Text, fault.Hint = "a group has no name", "add `name:`"
	default:
		return fault
	}
	for g := range f.outline.groups() { // the last one of the name
		if n := f.outline.group(g); field(n, "name").Value == name {
			fault.Line, fault.Column = n.Line, n.Column
		}
	}
	return fault
}

func (f *File) groupNamed(name string) int {
	for g := range f.outline.groups() {
		if field(f.outline.group(g), "name").Value == name {
			return g
		}
	}
	return -1
}

// keyIn returns the path, below the rule, of what one of rulefmt's texts is about.
func keyIn(text string) []string {
	switch {
	case strings.HasPrefix(text, "could not parse expression"):
		return []string{"expr"}
	case strings.HasPrefix(text, "label \""):
		return []string{"labels", quotedName(text)}
	case strings.HasPrefix(text, "annotation \""):
		return []string{"annotations", quotedName(text)}
	case strings.HasPrefix(text, "invalid label"):
		return []string{"labels"}
	case strings.HasPrefix(text, "invalid annotation"), strings.Contains(text, "'annotations'"):
		return []string{"annotations"}
	case strings.Contains(text, "'for'"):
		return []string{"for"}
	case strings.Contains(text, "'keep_firing_for'"):
		return []string{"keep_firing_for"}
	case strings.Contains(text, "record"):
		return []string{"record"}
	}
	return nil
}

var quoted = regexp.MustCompile(`"([^"]*)"`)

func quotedName(text string) string {
	if m := quoted.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

// remedy says what to do about one of rulefmt's texts, where the text alone does not.
func remedy(text string) string {
	switch {
	case strings.HasPrefix(text, "only one of 'record' and 'alert'"):
		return "make two rules of it"
	case strings.HasPrefix(text, "one of 'record' or 'alert'"):
		return "add `alert: NAME`"
	case strings.HasPrefix(text, "field 'expr' must be set"):
		return "add `expr:` with the PromQL that finds the condition"
	case strings.HasPrefix(text, "label \""), strings.HasPrefix(text, "annotation \""):
		return "templates are Go's, with $labels, $value and functions such as humanize"
	case strings.HasPrefix(text, "invalid field"):
		return "only an alert has it; leave it out"
	}
	return ""
}
