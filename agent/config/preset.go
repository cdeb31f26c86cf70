package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/policy/presets"
)

// A presetDocument is the file of a preset: matrices in the form in which a person writes them.
type presetDocument struct {
	Description string `yaml:"description"`
	Suggest     struct {
		Limits limitsSection `yaml:"limits"`
	} `yaml:"suggest"`
	Policies []struct {
		Name   string        `yaml:"name"`
		Matrix matrixSection `yaml:"matrix"`
	} `yaml:"policies"`
}

// preset resolves a policy that uses a preset, into one policy for each of the preset's and each
// target.
func (r *resolver) preset(s *policySection, targets []*Target, path string) {
	data, ok := presets.Read(s.Preset)
	if !ok {
		r.faultAt(path+".preset", fmt.Sprintf("policy %s: there is no preset %q", s.Name, s.Preset), oneOf(s.Preset, presets.Names()))
		return
	}
	file := newSource("preset:"+s.Preset, data)
	var doc presetDocument
	d := decodeDocument(file, &doc, nil)
	for _, t := range targets {
		advice := map[policy.Resource]bool{}
		for i := range doc.Policies {
			one := &doc.Policies[i]
			f := draft{decoder: d, path: fmt.Sprintf("policies[%d].matrix", i), policy: s.Name, preset: s.Preset}
			m := f.matrix(&one.Matrix)
			if m == nil {
				break
			}
			section := *s
			if len(doc.Policies) > 1 {
				section.Name = s.Name + "-" + one.Name
			}
			for name, expr := range m.Signals {
				m.Signals[name] = expand(expr, t)
			}
			f.lint(m, func(text string) {
				r.warn(r.at(path+".preset"), fmt.Sprintf("preset %s: %s", s.Preset, text))
			})
			r.noteAdvice(m, t, advice)
			r.add(&section, m, []*Target{t}, false, path)
		}
		r.tellAdvice(s, t, advice, path)
		r.suggest(s, t, doc.Suggest.Limits, path)
	}
	r.faults = append(r.faults, file.faults...) // a test finds these: presets are ours
}

// noteAdvice collects the resources that a preset changes and nothing of the target can.
func (r *resolver) noteAdvice(m *policy.Matrix, t *Target, advice map[policy.Resource]bool) {
	rows := m.Rows
	if m.Otherwise != nil {
		rows = append(slices.Clone(rows), *m.Otherwise)
	}
	for _, row := range rows {
		for _, c := range row.Changes {
			if !r.owns(t, c.Resource) {
				advice[c.Resource] = true
			}
		}
	}
}

func (r *resolver) tellAdvice(s *policySection, t *Target, advice map[policy.Resource]bool, path string) {
	if len(advice) == 0 {
		return
	}
	var names []string
	for _, resource := range slices.Sorted(maps.Keys(advice)) {
		names = append(names, string(resource))
	}
	r.warnOf(t, r.at(path+".preset"), fmt.Sprintf("policy %s: preset %s also asks for %s, which nothing of %s can change: that much is advice",
		s.Name, s.Preset, strings.Join(names, ", "), targetHere))
}

// suggest names the limits that fit the preset and that the target does not have.
func (r *resolver) suggest(s *policySection, t *Target, limits limitsSection, path string) {
	for _, one := range limits {
		has := t.Limits[one.Resource]
		var missing []string
		if one.Bounds.Max != "" && has.Max.IsUnset() {
			missing = append(missing, "max: "+one.Bounds.Max)
		}
		if one.Bounds.Min != "" && has.Min.IsUnset() {
			missing = append(missing, "min: "+one.Bounds.Min)
		}
		if len(one.Bounds.Steps) > 0 && len(has.Steps) == 0 {
			missing = append(missing, "steps: ["+strings.Join(one.Bounds.Steps, ", ")+"]")
		}
		if len(missing) > 0 && r.owns(t, one.Resource) {
			r.warnOf(t, r.at(path+".preset"), fmt.Sprintf("policy %s: preset %s suggests limits that are not set for %s: %s: {%s}",
				s.Name, s.Preset, targetHere, one.Resource, strings.Join(missing, ", ")))
		}
	}
}
