package sizing

import (
	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/policy"
)

// guide is the scaling guide's CPU matrix as agent.yaml has it.
const guide = `version: 1
targets: [{name: replay, node: {url: "http://127.0.0.1:7432"}}]
policies: [{name: guide, target: replay, preset: engram-cpu}]
`

// Guide is the scaling guide's CPU matrix.
func Guide() (Contestant, error) {
	cfg, err := config.Parse("the guide's matrix", []byte(guide), nil)
	if err != nil {
		return Contestant{}, err
	}
	c, _ := Configured(cfg, "guide")
	return c, nil
}

// Configured finds a policy of agent.yaml that sizes CPU, false if there is none of that name. Of several
// targets the first counts.
func Configured(cfg *config.Config, name string) (Contestant, bool) {
	for _, p := range cfg.Rightsize {
		if p.Name == name && len(p.Targets) > 0 {
			t, _ := cfg.Target(p.Targets[0])
			return RightsizeRule(name, p.Margin, t.Limits[policy.CPU]), true
		}
	}
	for _, p := range cfg.Policies {
		if p.Name != name || p.Matrix == nil || len(p.Targets) == 0 {
			continue
		}
		t, _ := cfg.Target(p.Targets[0])
		rule := MatrixRule{Policy: p.Policy, Target: t.Target, Settle: t.Procedure.Validation.Settle, Safety: policy.Safety{
			Cooldown: policy.Cooldown{Up: p.CooldownUp, Down: p.CooldownDown}, Budget: t.Safety.Budget,
		}}
		rule.Policy.Mode, rule.Target.Mode = policy.Auto, policy.Auto
		return rule.Contestant(), true
	}
	return Contestant{}, false
}
