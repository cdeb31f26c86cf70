package kubeloop_test

import (
	"testing"

	"github.com/engramd/engramd/testenv/loop"
)

// quick is a policy's patience, made short.
const quick = `
metrics: {interval: 1s}
validation: {{"{"}}{{.validation}}{{"}"}}
safety:
  cooldown: {up: {{.cooldown}}, down: 1h}
  budget: {per_hour: 50, per_day: 50, emergencies_per_day: 50}
  reserve: {cpu: 0%, memory: 0%}
maintenance_windows: [{name: always, cron: "* * * * *", duration: 10m, time_zone: UTC}]
`

// doubled wants twice the CPU for each of some services, at most once.
const doubled = quick + `
mode: {{.mode}}
targets:
{{- range .targets}}
  - name: {{.Name}}
    kubernetes:
      namespace: {{$.namespace}}
      {{.Kind}}: {{.Name}}
      kubeconfig: "{{.Kubeconfig}}"
      {{- with .Infeasible}}
      infeasible: {{.}}
      {{- end}}
    {{- with .Mode}}
    mode: {{.}}
    {{- end}}
    limits: {cpu: {min: 100m, max: {{.Max}}}}
    apply: {cpu: {{.Apply}}}
    maintenance_window: always
    stop_timeout: 5s
    {{- with .Watched}}
    validation: {duration: {{.}}}
    {{- end}}
{{- end}}
policies:
  - name: cpu
    targets: [{{range .targets}}{{.Name}}, {{end}}]
    every: 1s
    matrix:
      signals:
        limit: max by (target) (engramd_target_cpu_limit_cores)
      rows:
        - {when: {limit: "< {{.below}}"}, for: 1s, do: scale, change: {cpu: {to: {{.to}}}}}
        - {when: {limit: ">= {{.below}}"}, do: none}
`

// A target is one of doubled's.
type target struct {
	Name, Kind, Kubeconfig, Mode, Apply, Infeasible, Max string
	Watched                                              string // how long a change is validated; "" is as long as any other
}

// start starts an engramd that doubles the CPU of the targets.
func (b *bench) start(t *testing.T, targets ...target) *loop.Agent {
	t.Helper()
	return loop.Start(t, doubled, b.values(t, targets...))
}

func (b *bench) values(t *testing.T, targets ...target) loop.Values {
	t.Helper()
	var config string
	for i := range targets {
		one := &targets[i]
		if one.Kind == "" {
			one.Kind = "deployment"
		}
		if one.Apply == "" {
			one.Apply = "live"
		}
		if one.Max == "" {
			one.Max = "200m"
		}
		if one.Kubeconfig == "" {
			if config == "" {
				config = b.kubeconfig(t, nil)
			}
			one.Kubeconfig = config
		}
	}
	return loop.Values{
		"mode": "auto", "cooldown": "1h", "namespace": b.namespace, "targets": targets, "below": 0.15, "to": "200m",
		"validation": "settle: 2s, duration: 8s, every: 1s, effect: {checks: 3}",
	}
}

// of matches the actions on a target that change its CPU from small to big and are in one of the states.
func of(name string, states ...string) func(loop.Action) bool {
	changes := loop.Changes("cpu", smallQ, bigQ, states...)
	return func(x loop.Action) bool { return x.Target == name && changes(x) }
}

// over matches the action once it has ended.
func over(id string) func(loop.Action) bool {
	return func(x loop.Action) bool { return x.ID == id && x.Final() }
}
