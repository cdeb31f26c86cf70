package agent

import (
	"slices"
	"testing"

	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/policy"
)

// A preset over several targets becomes one policy for each of them, with the same name.
func TestPoliciesOfSharedName(t *testing.T) {
	of := func(preset string, targets ...string) config.Policy {
		return config.Policy{Policy: policy.Policy{Name: "cpu", Targets: targets}, Preset: preset}
	}
	l := &loop{cfg: &config.Config{Policies: []config.Policy{of("first", "a"), of("second", "b"), of("both", "a", "b")}}}
	for target, want := range map[string][]string{"a": {"first", "both"}, "b": {"second", "both"}, "c": nil} {
		var got []string
		for p := range l.policiesOf(target) {
			got = append(got, p.Preset)
		}
		if !slices.Equal(got, want) {
			t.Errorf("policies of %s: %v, want %v", target, got, want)
		}
	}
}
