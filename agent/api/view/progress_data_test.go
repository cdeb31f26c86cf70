package view_test

import (
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/policy"
)

// restarted is a restart-type action with what was done on its way, one thing after the other.
func restarted(driver string, state actuators.ActionState, did ...actuators.Progress) api.Explanation {
	a := actuators.Action{
		ID: "a9x8y7z6w5", Driver: driver, TargetName: "engram", Resource: policy.CPU, Direction: policy.Growth,
		From: policy.Amount(4000), To: policy.Amount(8000), State: state, Plan: actuators.Plan{Strategy: policy.Restart},
		Times: course(actuators.Proposed, actuators.Draining, actuators.Applying), Progress: did,
	}
	at := before(40 * time.Minute)
	for i := range did {
		did[i].At = at
		at = at.Add(did[i].Took)
	}
	v := api.ViewAction(a)
	return api.Explanation{Now: noon, Decision: decisions()[0], Action: &v}
}

func did(op, kind, text string, took time.Duration) actuators.Progress {
	return actuators.Progress{Op: op, Kind: kind, Text: text, Took: took}
}

func restartedDocker() api.Explanation {
	return restarted("docker", actuators.Committed,
		did("look", "", "look at the target once more", 12*time.Millisecond),
		did("baseline", "", "measure what it does before the change", 3*time.Millisecond),
		did("backup", "", "look for a backup that is young enough", time.Millisecond),
		did("others", "", "see that nobody else has maintenance on", 2*time.Millisecond),
		did("enable", "", "switch maintenance on", 4*time.Millisecond),
		did("idle", "", "wait for what is in flight", 2*time.Second),
		did("do", "quiet", "switch the restart policy of engram off", 8*time.Millisecond),
		did("do", "stop", "stop engram", 1400*time.Millisecond),
		did("do", "rename", "rename engram to engram.before-engramd", 20*time.Millisecond),
		did("do", "create", "create engram with cpu 8", 90*time.Millisecond),
		did("do", "start", "start engram", 240*time.Millisecond),
		did("verify", "", "read back what holds now", 30*time.Millisecond),
		did("health", "", "wait until it is healthy", 9*time.Second),
		did("disable", "", "switch maintenance off", 4*time.Millisecond),
		did("smoke", "", "smoke tests", 350*time.Millisecond),
		did("settle", "", "let it settle for 30s", 30*time.Second),
		did("validate", "", "watch it for 30m", 1770*time.Second),
	)
}

// restartedKubernetes took longer than the guide expects.
func restartedKubernetes() api.Explanation {
	slow := did("do", "rollout", "wait for pod 2 of 3 to be new and available", 4*time.Minute)
	return restarted("kubernetes", actuators.Validating,
		did("look", "", "look at the target once more", 40*time.Millisecond),
		did("do", "template", "set the resources of container engram in the template", 60*time.Millisecond),
		did("do", "rollout", "wait for pod 1 of 3 to be new and available", 35*time.Second),
		slow,
		did("do", "rollout", "wait for pod 3 of 3 to be new and available", 40*time.Second),
		did("verify", "", "read back what holds now", 70*time.Millisecond),
		did("health", "", "wait until it is healthy", 5*time.Millisecond),
		did("settle", "", "let it settle for 30s", 30*time.Second),
		actuators.Progress{Op: "validate", Text: "watch it for 30m", Open: true},
	)
}

// restartedSystemd was cut short.
func restartedSystemd() api.Explanation {
	return restarted("systemd", actuators.Applying,
		did("look", "", "look at the target once more", 5*time.Millisecond),
		did("do", "instance", "note which instance of engram.service runs", time.Millisecond),
		did("do", "set", "set CPUQuota of engram.service to 800%", 12*time.Millisecond),
		actuators.Progress{Op: "do", Kind: "restart", Text: "restart engram.service", Error: "engramd ended meanwhile"},
	)
}
