package view_test

import (
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/policy"
)

func before(d time.Duration) time.Time { return noon.Add(-d) }

func proposal() policy.Proposal {
	return policy.Proposal{
		Target: "engram", Policy: "cpu", Row: 2, Condition: "cpu 70..85, p99 10..50", Verdict: policy.Scale, Mode: policy.Auto,
		Change: policy.Change{Resource: policy.CPU, By: &policy.By{Factor: 2}, Cap: policy.Amount(8000)},
		From:   policy.Amount(2000), To: policy.Amount(4000), Direction: policy.Growth,
		Deadline: noon.Add(47 * time.Hour), Why: "spreading is short of cores",
		Readings: []policy.Reading{
			{Signal: "cpu", Expr: "100 * sum(rate(engramd_target_cpu_seconds_total[1m]))", Value: 78.25, Known: true, At: before(12 * time.Second)},
			{Signal: "p99", Expr: "max(engram_p99_latency_ms)", Value: 31, Known: true, At: before(7 * time.Second)},
			{Signal: "queue", Expr: "sum(engram_spreading_queue_depth)", Reason: "no sample for 1m0s"},
		},
	}
}

func decisions() []policy.Decision {
	won := policy.Decision{
		ID: "k7f3q2mx9a", At: before(3 * time.Minute), LastAt: before(5 * time.Second), Count: 12, Proposal: proposal(), Strategy: policy.Live,
		Touches: []policy.Touch{{Limit: "max", From: policy.Amount(8000), To: policy.Amount(4000), Text: "the target may have at most 4 cores"}},
		Losers: []policy.Loser{
			{Proposal: policy.Proposal{Policy: "night", Condition: "cpu < 20", Verdict: policy.Scale, From: policy.Amount(2000), To: policy.Amount(1000), Change: policy.Change{Resource: policy.CPU}}, Reason: "growth goes before decrease"},
			{Proposal: policy.Proposal{Policy: "memory", Verdict: policy.HoldSize, Change: policy.Change{Resource: policy.CPU}}, Reason: "growth goes before veto"},
		},
		ActionID: "a9x8y7z6w5", Outcome: actuators.RolledBack,
	}
	refused := policy.Decision{ID: "r2d2c3p0bb", At: before(26 * time.Hour), LastAt: before(26 * time.Hour), Count: 1, Proposal: proposal(), Refused: "the host has 2 cores, and 0.2 are its reserve"}
	refused.Change.Resource, refused.From, refused.To = policy.Memory, policy.Amount(4<<30), policy.Unlimited()
	held := policy.Decision{ID: "h3ldh3ldh3", At: noon, LastAt: noon, Count: 1, Proposal: proposal(), Held: &policy.Held{By: "maintenance window", Text: "nightly opens", Until: noon.Add(14 * time.Hour)}}
	return []policy.Decision{won, refused, held}
}

func blind() policy.Decision {
	return policy.Decision{ID: "b1indb1ind", At: noon, LastAt: noon, Count: 1, Proposal: policy.Proposal{
		Target: "engram", Policy: "cpu", Row: -1, Verdict: policy.Blind, Change: policy.Change{Resource: policy.CPU},
		Why: "cpu: no sample for 1m0s", Readings: []policy.Reading{{Signal: "cpu", Expr: "up", Reason: "no sample for 1m0s"}},
	}}
}

func course(steps ...actuators.ActionState) []actuators.Transition {
	var times []actuators.Transition
	for i, s := range steps {
		times = append(times, actuators.Transition{State: s, At: before(3*time.Minute - time.Duration(i)*time.Second)})
	}
	return times
}

func rolledBack() api.ActionView {
	no := false
	times := course(actuators.Proposed, actuators.Applying, actuators.Verifying, actuators.Validating, actuators.RollingBack, actuators.RolledBack)
	times[4].Reason = "no effect"
	return api.ActionView{
		ID: "a9x8y7z6w5", DecisionID: "k7f3q2mx9a", Target: "engram", Driver: "docker", Resource: policy.CPU, Direction: policy.Growth,
		From: policy.Amount(2000), To: policy.Amount(4000), Strategy: policy.Live, State: actuators.RolledBack,
		Reason: "no effect in 3 of 3 looks", Command: "docker update --cpus 4 engram", Notes: []string{"the container runs on"},
		Steps: []api.StepView{{Text: "update nano_cpus 2e9 -> 4e9", Begun: true}}, Times: times,
		Checks: []actuators.Check{
			{At: before(2 * time.Minute), Shown: &no, Text: "use 1.00 cores (old limit 2), throttled 0%, p99 31 ms: no better"},
			{At: before(time.Minute), Text: "no sample of p99"},
		},
		Diagnosis:  "lock contention (runnable 1 of 16 threads, mutex wait 15.1 s/s)",
		RetryAfter: noon.Add(24 * time.Hour), Approval: &actuators.Approval{By: "anna", At: before(3 * time.Minute)},
	}
}

func waiting() api.ActionView {
	return api.ActionView{
		ID: "w4w4w4w4w4", DecisionID: "k7f3q2mx9a", Target: "engram", Resource: policy.Memory, Direction: policy.Decrease,
		From: policy.Amount(4 << 30), To: policy.Amount(3 << 30), Strategy: policy.Restart, State: actuators.Waiting,
		Held: &policy.Held{By: policy.HeldByApproval, Text: "a person must approve (mode approve)"}, Times: course(actuators.Proposed, actuators.Waiting),
		Steps: []api.StepView{{Text: "recreate with memory 3Gi"}, {Text: "grow volume", Irreversible: true}}, PlanHash: "abc",
	}
}

func explanation(a api.ActionView) api.Explanation {
	d := decisions()[0]
	d.ActionID, d.Outcome, d.Held = a.ID, a.State, a.Held
	if a.State == actuators.Waiting {
		d.Change.Resource, d.From, d.To, d.Direction, d.Strategy = a.Resource, a.From, a.To, a.Direction, a.Strategy
		d.Touches, d.Losers = nil, nil
	}
	return api.Explanation{Now: noon, Decision: d, Action: &a}
}

func operation() api.Explanation {
	d := policy.Decision{ID: "0perat10n0", At: noon, LastAt: noon, Count: 1, Proposal: policy.Proposal{
		Target: "engram", Policy: "storage", Row: -1, Verdict: policy.Scale, Direction: policy.Operation, Change: policy.Change{Resource: policy.Compact},
	}}
	return api.Explanation{Now: noon, Decision: d, Action: &api.ActionView{
		ID: "c0mpact000", Target: "engram", Resource: policy.Compact, Direction: policy.Operation, Strategy: policy.Live, State: actuators.Committed,
		Reason: "42 segments were merged",
	}}
}

func plans() []api.PlanView {
	held := api.PlanView{
		Target: "engram", Resource: policy.Memory, From: policy.Amount(4 << 30), To: policy.Amount(6 << 30), Direction: policy.Growth, Strategy: policy.Restart,
		Verdict: policy.Scale, Mode: policy.Approve, Policy: "memory", Condition: "used >= 75", Why: "the hot tier is full",
		Held:    &policy.Held{By: policy.HeldByApproval, Text: "a person must approve (mode approve)"},
		Touches: []policy.Touch{{Limit: "steps", From: policy.Amount(5 << 30), To: policy.Amount(6 << 30), Text: "the next step up is 6Gi"}},
		Steps:   []api.StepView{{Text: "stop engram"}, {Text: "remove the old volume", Irreversible: true}},
		Command: "docker stop engram && docker run ...", Notes: []string{"the container gets a new id"}, ActionID: "w4w4w4w4w4",
	}
	refused := api.PlanView{Target: "worker", Resource: policy.CPU, From: policy.Amount(500), To: policy.Amount(1000), Direction: policy.Growth, Policy: "cpu", Refused: "the host is full"}
	advice := api.PlanView{Target: "worker", Resource: policy.Prune, Verdict: policy.PlanOnly, Direction: policy.Operation, Policy: "ScaleUpStorageRequired"}
	now := api.PlanView{Target: "worker", Resource: policy.CPU, From: policy.Unlimited(), To: policy.Amount(1000), Direction: policy.Decrease, Strategy: policy.Live, Verdict: policy.Scale, Policy: "cpu"}
	cooling := now // it has an action, and nobody can hurry it
	cooling.Held, cooling.ActionID = &policy.Held{By: policy.HeldByCooldown, Text: "it was changed a moment ago", Until: noon.Add(3 * time.Minute)}, "c4c4c4c4c4"
	return []api.PlanView{held, refused, advice, now, cooling}
}

func releases() []api.ReleaseView {
	return []api.ReleaseView{
		{Target: "engram", Resource: policy.CPU, From: policy.Amount(4000), To: policy.Unlimited(), Done: true, Detail: "done"},
		{Target: "engram", Resource: policy.Memory, From: policy.Amount(4 << 30), To: policy.Amount(1 << 30), Detail: "it uses 3Gi: it would not fit", ActionID: "a"},
	}
}
