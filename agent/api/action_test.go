package api_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/policy"
)

// A recreate's step carries the whole container, with its environment.
func TestWhatAStepCarriesIsNotShown(t *testing.T) {
	secret := json.RawMessage(`{"env":["PASSWORD=s3cret"]}`)
	a := actuators.Action{
		ID: "a", TargetName: "engram", Resource: policy.CPU, State: actuators.Verifying, Done: 1, PlanHash: "h", SpecJSON: secret,
		Decision: policy.Decision{ID: "d", Held: &policy.Held{By: "x"}},
		Plan: actuators.Plan{Strategy: policy.Restart, Command: "docker run", Steps: []actuators.Step{
			{Kind: "create", Text: "create engram", Args: secret, UndoArgs: secret},
			{Kind: "remove", Text: "remove the old one", Args: secret, Irreversible: true},
		}},
	}
	text, err := json.Marshal(api.ViewAction(a))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "s3cret") {
		t.Errorf("shown: %s", text)
	}
	v := api.ViewAction(a)
	want := []api.StepView{{Text: "create engram", Begun: true}, {Text: "remove the old one", Irreversible: true}}
	if v.DecisionID != "d" || v.Strategy != policy.Restart || len(v.Steps) != 2 || v.Steps[0] != want[0] || v.Steps[1] != want[1] {
		t.Errorf("got %+v", v)
	}
}
