package loop_test

import (
	"cmp"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	neturl "net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/docker"
	"github.com/engramd/engramd/testenv/loop"
)

// doubled wants twice the CPU for each of some small containers, through a gate each, and at most once.
const doubled = `
mode: {{.mode}}
metrics: {interval: 1s}
validation: {settle: 2s, duration: 12s, every: 1s, effect: {checks: 3}}
safety:
  cooldown: {up: {{.cooldown}}, down: 1h}
  budget: {per_hour: 50, per_day: 50, emergencies_per_day: 50}
  reserve: {cpu: 0%, memory: 0%}
maintenance_windows: [{name: always, cron: "* * * * *", duration: 10m, time_zone: UTC}]
targets:
{{- range .targets}}
  - name: {{.Name}}
    docker: {container: {{.Name}}, host: "{{.Host}}"}
    {{- with .Mode}}
    mode: {{.}}
    {{- end}}
    limits: {cpu: {min: 100m, max: 200m}}
    apply: {cpu: {{$.apply}}}
    maintenance_window: always
    stop_timeout: 5s
    health: {url: "{{.URL}}/health", timeout: 4s}
    drain:
      enable: POST {{.Drain}}/api/v1/admin/maintenance/enable
      disable: POST {{.Drain}}/api/v1/admin/maintenance/disable
      status: GET {{.Drain}}/api/v1/admin/maintenance
      in_flight: 'vector({{.InFlight}})'
      settle: {{.Settle}}
{{- end}}
policies:
  - name: cpu
    targets: [{{range .targets}}{{.Name}}, {{end}}]
    every: 1s
    matrix:
      signals:
        limit: max by (target) (engramd_target_cpu_limit_cores)
      rows:
        - {when: {limit: "< 0.15"}, for: 1s, do: scale, change: {cpu: {by: x2}}}
        - {when: {limit: ">= 0.15"}, do: none}
`

// What doubled starts from and wants, in cores and as the JSON has it.
const (
	small, big      = 0.1, 0.2
	smallQ, bigQ    = loop.Quantity("100"), loop.Quantity("200")
	sickWhenBig     = "cpus>0.15"
	heldWithin      = 60 * time.Second
	recoveredWithin = 60 * time.Second
	// How an action ends that is at its new size, that is not, and that may be either.
	stays, takenBack = "inconclusive committed", "rolled_back"
	either           = stays + " " + takenBack
)

// A kill is one container, and the point on the way of its change at which engramd is killed.
type kill struct {
	name  string
	mode  string // "" is auto
	image string // "" is image
	state string // of its action by then
	hold  func(*loop.Gate) *loop.Hold
	sick  bool // its health fails at the new size
	busy  bool // something is always in flight, so that it goes on draining
	// Its maintenance does what it is told by anybody, as that of most services does.
	ownerless bool

	// How it must end.
	ends   string // one of these words; "" is that it waits still
	size   float64
	same   bool // the container is the one that it was
	starts int  // at most, on its volume; 0 is three: the old one, the new one, the old one again

	before func(*testing.T, *docker.Container) // engramd is started
	killed func(*testing.T, *docker.Container) // engramd is dead
	after  func(*testing.T, *docker.Container) // its action has ended; nil: maintenance is off
}

// A killedTarget is a target of doubled.
type killedTarget struct {
	Name, Host, Mode, URL, Drain, Settle string
	InFlight                             int
}

// A victim is a kill with what it happens to.
type victim struct {
	kill
	c        *docker.Container
	gate     *loop.Gate
	held     *loop.Hold
	data     string
	action   loop.Action
	identity container.InspectResponse
}

// A killing is engramd with its victims.
type killing struct {
	d       *docker.Daemon
	a       *loop.Agent
	values  loop.Values
	victims []*victim
	census  *loop.Census
}

// prepareKills makes the containers on an engine of their own and starts engramd on them.
func prepareKills(t *testing.T, apply string, kills []kill) *killing {
	t.Helper()
	return prepareKillsOn(t, startEngine(t), apply, kills)
}

func prepareKillsOn(t *testing.T, d *docker.Daemon, apply string, kills []kill) *killing {
	t.Helper()
	k := &killing{d: d}
	var targets []killedTarget
	var names []string
	for _, one := range kills {
		v := &victim{kill: one, data: t.TempDir(), gate: loop.OpenGate(t, k.d.Host())}
		env := map[string]string{"WORKLOAD_DATA": "/data"}
		if one.sick {
			env["WORKLOAD_UNHEALTHY"] = sickWhenBig
		}
		v.c = k.d.Run(t, docker.Spec{
			Name: one.name, Image: cmp.Or(one.image, image), CPUs: small, NoWait: true, Env: env, Volumes: []string{v.data + ":/data"},
			Change: func(o *client.ContainerCreateOptions) {
				o.HostConfig.RestartPolicy = container.RestartPolicy{Name: container.RestartPolicyAlways}
			},
		})
		to := killedTarget{Name: one.name, Host: v.gate.Host(), Mode: one.mode, URL: v.c.URL, Drain: v.c.URL, Settle: "5s"}
		if one.ownerless {
			to.Drain = ownerless(t, v.c.URL)
		}
		if one.busy {
			to.InFlight, to.Settle = 1, "5m"
		}
		k.victims, targets, names = append(k.victims, v), append(targets, to), append(names, one.name)
	}
	for _, v := range k.victims {
		testenv.Eventually(t, soon, v.name+" is healthy", v.c.Healthy)
		if v.before != nil {
			v.before(t, v.c)
		}
		if v.hold != nil {
			v.held = v.hold(v.gate)
		}
		v.identity = v.c.Inspect(t)
	}
	k.census = loop.Count(t, k.d, names...)
	k.values = loop.Values{"mode": "auto", "apply": apply, "cooldown": "1h", "targets": targets}
	k.a = loop.Start(t, doubled, k.values)
	return k
}

// strike kills engramd once every action is where it is to be killed, and starts it again.
func (k *killing) strike(t *testing.T) {
	t.Helper()
	k.gather(t)
	k.a.Kill(t)
	for _, v := range k.victims {
		v.gate.Drop()
		if v.killed != nil {
			v.killed(t, v.c)
		}
	}
	k.restart(t)
}

// gather waits until every action is where it is to be killed.
func (k *killing) gather(t *testing.T) {
	t.Helper()
	for _, v := range k.victims {
		if v.held != nil {
			v.held.Await(t, heldWithin)
		}
		v.action = k.a.Await(t, heldWithin, v.name+" is "+v.state, func(x loop.Action) bool {
			return x.Target == v.name && loop.Changes("cpu", smallQ, bigQ, v.state)(x) && (v.held == nil || v.held.Holds())
		})
	}
}

// restart starts engramd again. What has begun goes on; nothing begins by itself any more.
func (k *killing) restart(t *testing.T) {
	t.Helper()
	k.values["mode"] = "approve"
	k.a.Configure(t, doubled, k.values)
	k.a.Start(t)
}

// expect waits for every action's end, and compares with how it must be.
func (k *killing) expect(t *testing.T) {
	t.Helper()
	for _, v := range k.victims {
		if v.ends == "" {
			k.expectWaiting(t, v)
			continue
		}
		v.action = k.a.Await(t, recoveredWithin, "the action on "+v.name+" has ended", func(x loop.Action) bool { return x.ID == v.action.ID && x.Final() })
		t.Logf("%s: %s: %s", v.name, v.action.State, v.action.Reason)
		if !slices.Contains(strings.Fields(v.ends), v.action.State) {
			t.Errorf("%s: killed while %s, it ended %s: %s", v.name, v.state, v.action.State, v.action.Reason)
		}
		if v.ends == either {
			v.same, v.size = v.action.State == takenBack, map[bool]float64{true: small, false: big}[v.action.State == takenBack]
		}
		k.expectOne(t, v)
		if v.after != nil {
			v.after(t, v.c)
		} else if m := v.c.Maintenance(t); m.Enabled {
			t.Errorf("%s: maintenance is on (%s)", v.name, m.Owner)
		}
	}
	k.census.Expect(t)
}

// expectWaiting wants what waited to wait still, and nothing to have happened.
func (k *killing) expectWaiting(t *testing.T, v *victim) {
	t.Helper()
	again := k.a.Await(t, soon, v.name+" waits still", func(x loop.Action) bool { return x.ID == v.action.ID })
	if again.State != "waiting" || again.PlanHash != v.action.PlanHash {
		t.Errorf("%s: what waited is %s (%s)", v.name, again.State, again.Reason)
	}
	if now := v.c.Inspect(t); now.State.StartedAt != v.identity.State.StartedAt || testenv.CPULimit(t, v.c.ID) != small {
		t.Errorf("%s: it was touched: started %s, it was %s, and the limit is %v",
			v.name, now.State.StartedAt, v.identity.State.StartedAt, testenv.CPULimit(t, v.c.ID))
	}
}

// expectOne wants exactly one container of the service, running, with its name, its size and its restart policy.
func (k *killing) expectOne(t *testing.T, v *victim) {
	t.Helper()
	testenv.Eventually(t, soon, "what was kept of "+v.name+" is cleared away", func() bool {
		return !slices.ContainsFunc(names(k.d.Containers(t)), func(name string) bool { return keptOf(v.name, name) })
	})
	testenv.Eventually(t, soon, v.name+" answers", v.c.Healthy)
	now := k.d.Inspect(t, v.name)
	if !now.State.Running || (now.ID == v.identity.ID) != v.same {
		t.Errorf("%s: running %v, the same container %v, want %v", v.name, now.State.Running, now.ID == v.identity.ID, v.same)
	}
	if got := testenv.CPULimit(t, now.ID); got != v.size || now.HostConfig.NanoCPUs != int64(v.size*1e9) {
		t.Errorf("%s: the kernel's limit is %v cores, Docker's %d nano CPUs, want %v", v.name, got, now.HostConfig.NanoCPUs, v.size)
	}
	if now.HostConfig.RestartPolicy != v.identity.HostConfig.RestartPolicy {
		t.Errorf("%s: restart policy %v, it was %v", v.name, now.HostConfig.RestartPolicy, v.identity.HostConfig.RestartPolicy)
	}
	if starts, violations := docker.Starts(t, v.data); len(violations) > 0 || len(starts) > cmp.Or(v.starts, 3) {
		t.Errorf("%s: %d starts on its volume, and refused as a second writer: %+v", v.name, len(starts), violations)
	}
}

// ownerless passes requests on without their bodies, so that the workload is not told who asks.
func ownerless(t *testing.T, url string) string {
	t.Helper()
	to, err := neturl.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	pass := httputil.NewSingleHostReverseProxy(to)
	pass.Transport = &http.Transport{DisableKeepAlives: true}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body, r.ContentLength = http.NoBody, 0
		pass.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	return front.URL
}

// keptOf tells whether a container is one that a recreate of a service has put aside.
func keptOf(service, name string) bool { return strings.HasPrefix(name, service+".") }

func names(containers map[string]container.Summary) []string {
	return slices.Collect(maps.Keys(containers))
}
