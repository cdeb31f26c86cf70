package config

import (
	"reflect"
	"slices"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// WithFound returns c with a target for each thing found that c does not name, watched as [Init] would
// have it. Whatever the agent's mode is, nothing happens to them without a person's yes.
func WithFound(c *Config, found map[string][]actuators.Found, reg actuators.Registry) (*Config, error) {
	if found = unnamed(c, found); len(found) == 0 {
		return c, nil // what Init writes for nothing is no watching of it
	}
	more, err := Parse("what was found", Init(found), reg)
	if err != nil {
		return nil, err
	}
	all := *c
	all.Targets, all.Policies = slices.Clone(c.Targets), slices.Clone(c.Policies)
	for _, t := range more.Targets {
		if _, taken := c.Target(t.Name); taken {
			continue
		}
		t.Mode = policy.Approve
		t.Safety = c.Safety
		t.Procedure.Validation, t.Procedure.RetryAfter = c.document.Validation.validation(), c.Safety.RetryAfter
		all.Targets = append(all.Targets, t)
	}
	for _, p := range more.Policies {
		if _, taken := c.Target(p.Targets[0]); taken {
			continue
		}
		p.Every = max(p.Every, c.Metrics.Interval)
		all.Policies = append(all.Policies, p)
	}
	return &all, nil
}

// unnamed leaves out what c has a target for, by its section or by its name.
func unnamed(c *Config, found map[string][]actuators.Found) map[string][]actuators.Found {
	rest := map[string][]actuators.Found{}
	for platform, all := range found {
		for _, f := range all {
			named := slices.ContainsFunc(c.Targets, func(t Target) bool {
				return t.Name == f.Name || reflect.DeepEqual(t.Specs[platform], f.Spec)
			})
			if !named {
				rest[platform] = append(rest[platform], f)
			}
		}
	}
	return rest
}
