package docker_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	api "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/docker"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/testenv"
	engine "github.com/engramd/engramd/testenv/docker"
)

// A bench is a driver beside a real engine.
type bench struct {
	*engine.Daemon
	driver *docker.Driver
}

func newBench(t *testing.T, options ...engine.Option) bench {
	t.Helper()
	d := engine.Start(t, options...)
	driver := docker.New(nil)
	t.Cleanup(func() { driver.Close() })
	return bench{d, driver}
}

func (b bench) target(name string, edits ...func(*policy.Target)) policy.Target {
	return targetAt(b.Host(), name, edits...)
}

func targetAt(host, name string, edits ...func(*policy.Target)) policy.Target {
	t := policy.Target{Name: name, Specs: map[string]any{"docker": &docker.Spec{Container: name, Host: host}}, StopTimeout: 2 * time.Second}
	for _, edit := range edits {
		edit(&t)
	}
	return t
}

func byRestart(r policy.Resource) func(*policy.Target) {
	return func(t *policy.Target) { t.Apply = map[policy.Resource]policy.Apply{r: policy.ApplyRestart} }
}

func (b bench) observe(t *testing.T, target policy.Target) actuators.Part {
	t.Helper()
	st, err := b.driver.Observe(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	return st.Parts[0]
}

func (b bench) plan(t *testing.T, target policy.Target, to policy.Size) actuators.Plan {
	t.Helper()
	st, err := b.driver.Observe(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	p, err := b.driver.Plan(target, st, to)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (b bench) do(t *testing.T, target policy.Target, p actuators.Plan) {
	t.Helper()
	for _, s := range p.Steps {
		if err := b.driver.Do(t.Context(), target, s); err != nil {
			t.Fatalf("%s: %v", s.Text, err)
		}
	}
}

func (b bench) undo(t *testing.T, target policy.Target, p actuators.Plan) {
	t.Helper()
	for _, s := range slices.Backward(p.Steps) {
		if err := b.driver.Undo(t.Context(), target, s); err != nil {
			t.Fatalf("undo %s: %v", s.Text, err)
		}
	}
}

func size(r policy.Resource, n int64) policy.Size { return policy.Size{r: policy.Amount(n)} }

func TestE2ELiveCPU(t *testing.T) {
	b := newBench(t)
	b.BuildImage(t, "workload:good", engine.Good())
	tests := []struct {
		name   string
		set    api.Resources
		before string // nano, quota, period
		after  string
		undone string
	}{
		{"nano", api.Resources{NanoCPUs: 5e8}, "500000000 0 0", "1500000000 0 0", "500000000 0 0"},
		{"quota", api.Resources{CPUQuota: 25000, CPUPeriod: 50000}, "0 25000 50000", "0 75000 50000", "0 25000 50000"},
		{"unset", api.Resources{}, "0 0 0", "0 150000 0", "0 -1 0"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := b.Run(t, engine.Spec{Name: "engram-" + test.name, Image: "workload:good", Change: func(o *client.ContainerCreateOptions) {
				o.HostConfig.Resources.NanoCPUs, o.HostConfig.Resources.CPUQuota, o.HostConfig.Resources.CPUPeriod = test.set.NanoCPUs, test.set.CPUQuota, test.set.CPUPeriod
			}})
			target := b.target(c.Name)
			setting := func() string {
				h := c.Inspect(t).HostConfig
				return fmt.Sprint(h.NanoCPUs, h.CPUQuota, h.CPUPeriod)
			}
			before := b.observe(t, target)
			if got := setting(); got != test.before {
				t.Fatalf("made with %s, want %s", got, test.before)
			}
			p := b.plan(t, target, size(policy.CPU, 1500))
			if p.Strategy != policy.Live || len(p.Steps) != 1 {
				t.Fatalf("plan %+v, want one live step", p)
			}
			b.do(t, target, p)
			after := b.observe(t, target)
			if got := setting(); got != test.after || testenv.CPULimit(t, c.ID) != 1.5 || after.Effective[policy.CPU] != policy.Amount(1500) {
				t.Errorf("after %s: %s, %.2f cores in the cgroup, observed %v; want %s", p.Command, got, testenv.CPULimit(t, c.ID), after.Effective, test.after)
			}
			if after.ID != before.ID || !after.StartedAt.Equal(before.StartedAt) {
				t.Error("the container was restarted")
			}
			for range 2 { // an undo may be repeated
				b.undo(t, target, p)
			}
			undone := b.observe(t, target)
			if got := setting(); got != test.undone || !actuators.Same(policy.CPU, undone.Effective[policy.CPU], before.Effective[policy.CPU]) {
				t.Errorf("undone: %s, observed %v; want %s, %v", got, undone.Effective, test.undone, before.Effective)
			}
			// What holds must hold over a restart, too: a -1 beside NanoCPUs would not.
			if _, err := b.Client().ContainerRestart(t.Context(), c.ID, client.ContainerRestartOptions{}); err != nil {
				t.Fatal(err)
			}
			if again := b.observe(t, target); !actuators.Same(policy.CPU, again.Effective[policy.CPU], before.Effective[policy.CPU]) {
				t.Errorf("after a restart %v holds, want %v", again.Effective[policy.CPU], before.Effective[policy.CPU])
			}
		})
	}
}

func TestE2ELiveMemory(t *testing.T) {
	b := newBench(t)
	b.BuildImage(t, "workload:good", engine.Good())
	c := b.Run(t, engine.Spec{Name: "engram", Image: "workload:good", Memory: 128 << 20, MemorySwap: 192 << 20, MemoryReservation: 64 << 20})
	target := b.target("engram")
	setting := func() string {
		h := c.Inspect(t).HostConfig
		return fmt.Sprint(h.Memory>>20, h.MemorySwap>>20, h.MemoryReservation>>20)
	}
	grow := b.plan(t, target, size(policy.Memory, 256<<20))
	b.do(t, target, grow)
	if got := setting(); got != "256 320 64" || testenv.MemoryLimit(t, c.ID) != 256<<20 {
		t.Errorf("%s: %s, %d in the cgroup", grow.Command, got, testenv.MemoryLimit(t, c.ID))
	}
	b.undo(t, target, grow)
	if got := setting(); got != "128 192 64" || testenv.MemoryLimit(t, c.ID) != 128<<20 {
		t.Errorf("undone: %s, %d in the cgroup", got, testenv.MemoryLimit(t, c.ID))
	}
	// A limit below the reservation would be taken, and keep the container from starting again.
	shrink := b.plan(t, target, size(policy.Memory, 48<<20))
	b.do(t, target, shrink)
	if got := setting(); got != "48 112 48" {
		t.Errorf("%s: %s", shrink.Command, got)
	}
	b.undo(t, target, shrink)
	if got := setting(); got != "128 192 64" {
		t.Errorf("undone: %s", got)
	}
	c.Do(t, "/memory?bytes=96Mi")
	below := b.plan(t, target, size(policy.Memory, 64<<20))
	err := b.driver.Do(t.Context(), target, below.Steps[0])
	if !errors.Is(err, actuators.ErrRefused) || !strings.Contains(err.Error(), "64Mi") {
		t.Errorf("below what is in use: got %v, want a refusal with the numbers", err)
	}
	if got := setting(); got != "128 192 64" || !c.Healthy() {
		t.Errorf("a refused decrease left %s, healthy %t", got, c.Healthy())
	}
}

func TestE2EAdoptedMemoryIsTakenBackByARecreate(t *testing.T) {
	b := newBench(t)
	b.BuildImage(t, "workload:good", engine.Good())
	c := b.Run(t, engine.Spec{Name: "engram", Image: "workload:good", Change: func(o *client.ContainerCreateOptions) {
		o.HostConfig.RestartPolicy = api.RestartPolicy{Name: api.RestartPolicyAlways}
	}})
	st, err := b.driver.Observe(t.Context(), b.target("engram"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.driver.Plan(b.target("engram"), st, size(policy.Memory, 256<<20)); !errors.Is(err, actuators.ErrRefused) {
		t.Errorf("unlimited memory: got %v, want a refusal", err)
	}
	adopt := b.target("engram", func(t *policy.Target) { t.AdoptUnlimited = true })
	p := b.plan(t, adopt, size(policy.Memory, 256<<20))
	b.do(t, adopt, p)
	if got := testenv.MemoryLimit(t, c.ID); got != 256<<20 {
		t.Errorf("adopted: limit %d", got)
	}
	b.undo(t, adopt, p)
	b.undo(t, adopt, p)
	now := b.observe(t, adopt)
	if now.ID == c.ID || !now.Effective[policy.Memory].IsUnlimited() || !now.Running {
		t.Errorf("taken back: %+v", now)
	}
	if got := b.Inspect(t, "engram").HostConfig.RestartPolicy.Name; got != api.RestartPolicyAlways {
		t.Errorf("restart policy %s, want always", got)
	}
	if all := b.Containers(t); len(all) != 1 {
		t.Errorf("containers left: %v", all)
	}
}

// eventuallyHealthy waits until Docker's own health check says so.
func (b bench) eventuallyHealthy(t *testing.T, target policy.Target) {
	t.Helper()
	testenv.Eventually(t, 20*time.Second, "the container is healthy", func() bool { return b.observe(t, target).Healthy == "healthy" })
}

// TestE2EKeys has two daemons on one host, which share an id until Docker 24: their containers of one name are two.
func TestE2EKeys(t *testing.T) {
	one, other := newBench(t), newBench(t)
	key := func(b bench) string {
		key, err := b.driver.Key(t.Context(), b.target("engram"))
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	if key(one) == key(other) {
		t.Errorf("two daemons have one key: %s", key(one))
	}
}
