package view_test

import (
	"time"

	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/policy"
)

func status() api.Status {
	used, usedMemory := int64(1560), int64(3<<30)
	return api.Status{
		Version: "0.1.0", PID: 812, StartedAt: before(3*time.Hour + 12*time.Minute + 4*time.Second), Now: noon, Mode: policy.Approve, DataDir: "/var/lib/engramd",
		Config: api.ConfigView{Path: "/etc/engramd/agent.yaml", LoadedAt: before(time.Hour)},
		Loop:   api.LoopView{LastAt: before(2 * time.Second), DurationSeconds: 0.0041},
		Metrics: api.MetricsView{Source: "embedded", IntervalSeconds: 15, Scrapes: []api.ScrapeView{
			{Job: "engram", URL: "http://127.0.0.1:7432/metrics", Target: "engram", Up: true, LastAt: before(3 * time.Second)},
			{Job: "app", URL: "http://127.0.0.1:8080/metrics", Target: "worker", Error: "connection refused"},
		}},
		Node: &api.NodeView{URL: "http://127.0.0.1:7532"},
		Targets: []api.TargetStatus{
			{
				Name: "engram", Platform: "docker engram", Mode: policy.Auto, State: api.TargetWaiting, Detail: "memory waits for approval",
				Resources: []api.ResourceStatus{
					{Resource: policy.CPU, Configured: policy.Amount(2000), Effective: policy.Amount(2000), Desired: policy.Amount(2000), Used: &used, Min: policy.Amount(1000), Max: policy.Amount(16000), CooldownUp: noon.Add(4 * time.Minute), Original: policy.Unlimited()},
					{Resource: policy.Memory, Configured: policy.Amount(4 << 30), Effective: policy.Amount(4 << 30), Desired: policy.Amount(3 << 30), Used: &usedMemory, Max: policy.Amount(32 << 30), Original: policy.Amount(4 << 30)},
				},
				Policies: []api.PolicyStatus{
					{Name: "cpu", Kind: "matrix", Verdict: policy.Scale, Row: 2, Condition: "cpu 70..85", Since: before(2 * time.Minute), Readings: []policy.Reading{{Signal: "cpu", Value: 78.25, Known: true}, {Signal: "p99", Reason: "no sample"}}},
					{Name: "storage", Kind: "matrix"},
					{Name: "size", Kind: "rightsize", Row: -1, Verdict: policy.None, Condition: "memory hold", Why: "recent maximum 2800Mi + 15%: hold", Readings: []policy.Reading{{Signal: "memory", Value: 2800 << 20, Known: true}}},
				},
				Budget:  &api.BudgetView{HourLeft: 3, HourOf: 4, DayLeft: 11, DayOf: 12, EmergenciesLeft: 4, EmergenciesOf: 4},
				Window:  &api.WindowView{Name: "nightly", Start: noon.Add(14 * time.Hour), End: noon.Add(16 * time.Hour)},
				Actions: []api.ActionView{waiting()},
			},
			{Name: "worker", Platform: "systemd worker.service", Mode: policy.Approve, State: api.TargetAbsent, Detail: "there is no unit worker.service"},
		},
	}
}

func troubled() api.Status {
	s := status()
	s.NotReady, s.Loop = "the first round of deciding is still to come", api.LoopView{}
	s.Node = &api.NodeView{URL: "http://127.0.0.1:7532", Ended: "bind: address already in use"}
	s.Troubles = []string{"journal: no space left on device"}
	s.Config.Refused = "agent.yaml:3:1: unknown key tagets"
	s.Pause = &api.PauseView{Reason: "release day", By: "anna", At: before(time.Hour), Until: noon.Add(2 * time.Hour)}
	t := &s.Targets[0]
	t.State, t.Detail, t.Actions = api.TargetStandby, "", nil
	t.Holder = &api.HolderView{PID: 99, DataDir: "/home/anna/.engramd", Since: before(30 * time.Hour)}
	t.Pause = &api.PauseView{At: before(time.Hour)}
	t.Resources[0].Freeze = &api.FreezeView{Reason: "two reversals"}
	t.Resources[0].Configured = policy.Amount(1000)
	t.Window = &api.WindowView{Name: "nightly", Start: before(time.Hour), End: noon.Add(time.Hour)}
	s.Targets = s.Targets[:1]
	return s
}
