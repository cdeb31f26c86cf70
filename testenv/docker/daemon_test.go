package docker_test

import (
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"go.uber.org/goleak"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/docker"
	"github.com/engramd/engramd/testenv/load"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestE2ELoadIsThrottled is the shape of all real tests: a container with half a core under more load than that, judged by the
// kernel's counters; more CPU given live; dockerd killed and back; nothing left.
func TestE2ELoadIsThrottled(t *testing.T) {
	began := time.Now()
	d := docker.Start(t, docker.LiveRestore())
	d.BuildImage(t, "workload:good", docker.Good())
	c := d.Run(t, docker.Spec{Name: "engram", Image: "workload:good", CPUs: 0.5, Memory: 64 << 20, MemorySwap: 64 << 20})
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("daemon, image and container took %v", took)
	} else {
		t.Logf("daemon, image and container took %v", took)
	}
	if got := testenv.CPULimit(t, c.ID); got != 0.5 {
		t.Errorf("the kernel's limit is %v cores", got)
	}
	if got := testenv.MemoryLimit(t, c.ID); got != 64<<20 {
		t.Errorf("the kernel's limit is %d bytes", got)
	}
	pid := c.Inspect(t).State.Pid

	l := testenv.StartLoad(t, load.Config{URL: c.URL + "/work?cpu=10ms", Rate: 80, Timeout: 2 * time.Second})
	before := testenv.CPUStat(t, c.ID)
	testenv.Eventually(t, time.Minute, "the workload sees itself at its limit", func() bool {
		percent, ok := c.Metric(t, "engram_cpu_utilization_percent")
		depth, _ := c.Metric(t, "engram_spreading_queue_depth")
		return ok && percent > 85 && depth > 0
	})
	if after := testenv.CPUStat(t, c.ID); after.Throttled-before.Throttled < 5 {
		t.Errorf("throttled %+v, before %+v", after, before)
	}

	update := client.ContainerUpdateOptions{Resources: &container.Resources{NanoCPUs: 1.5e9}}
	if _, err := d.Client().ContainerUpdate(t.Context(), c.ID, update); err != nil {
		t.Fatal(err)
	}
	if got := testenv.CPULimit(t, c.ID); got != 1.5 {
		t.Errorf("after the update the kernel's limit is %v cores", got)
	}
	// Other tests may want the machine's cores too: less load, so that the backlog goes in any case.
	if err := l.SetRate(20); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, time.Minute, "the queue is empty", func() bool {
		depth, _ := c.Metric(t, "engram_spreading_queue_depth")
		limit, _ := c.Metric(t, "engram_cpu_limit_cores")
		return depth == 0 && limit == 1.5
	})

	killed := time.Now()
	d.Kill()
	if !c.Healthy() {
		t.Error("the container died with dockerd")
	}
	d.Restart()
	report := l.Stop()
	if lost := report.Between(killed, time.Now()).Lost(); lost.Sent() > 0 {
		t.Errorf("lost while dockerd was away: %v", lost)
	}
	if state := c.Inspect(t).State; !state.Running || state.Pid != pid {
		t.Errorf("after the restart: %+v", state)
	}
	d.Stop()
}

// TestE2ENetworks recreates what a driver has to keep: aliases, fixed addresses, published ports.
func TestE2ENetworks(t *testing.T) {
	d := docker.Start(t, docker.DefaultBridge())
	d.BuildImage(t, "workload:checked", docker.Checked())
	subnet := d.Network(t, "back", 1)
	fixed := subnet.Addr().Next().Next().Next()
	a := d.Run(t, docker.Spec{Name: "alpha", Image: "workload:checked", Network: "back", Change: func(o *client.ContainerCreateOptions) {
		o.NetworkingConfig = &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{
			"back": {Aliases: []string{"first"}, IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: fixed}},
		}}
	}})
	if got := a.Inspect(t).NetworkSettings.Networks["back"].IPAddress; got != fixed {
		t.Errorf("address %v, want %v", got, fixed)
	}
	// The second resolves the first by its alias: its own health check asks for it.
	d.Run(t, docker.Spec{Name: "beta", Image: "workload:checked", Network: "back"})
	result, err := d.Client().ExecCreate(t.Context(), "beta", client.ExecCreateOptions{
		Cmd: []string{"/workload", "health", "http://first:8080"}, AttachStdout: true, AttachStderr: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Client().ExecStart(t.Context(), result.ID, client.ExecStartOptions{Detach: true}); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, time.Minute, "the alias resolves", func() bool {
		state, err := d.Client().ExecInspect(t.Context(), result.ID, client.ExecInspectOptions{})
		return err == nil && !state.Running && state.ExitCode == 0
	})
	c := d.Run(t, docker.Spec{Name: "gamma", Image: "workload:checked", Network: "bridge"})
	if got := c.Inspect(t).NetworkSettings.Networks["bridge"].IPAddress; !got.IsValid() {
		t.Error("no address on the default bridge")
	}
	testenv.Eventually(t, time.Minute, "Docker's health check passes", func() bool {
		return a.Inspect(t).State.Health.Status == container.Healthy
	})
	if names := d.Containers(t); len(names) != 3 || names["gamma"].ID != c.ID {
		t.Errorf("containers: %v", names)
	}
	d.Stop()
}

func TestE2EVariants(t *testing.T) {
	d := docker.Start(t)
	for name, variant := range map[string]docker.Variant{
		"good": docker.Good(), "unhealthy": docker.Unhealthy(), "crashing": docker.Crashing(), "volume": docker.WithVolume(),
	} {
		if id := d.BuildImage(t, "workload:"+name, variant); !strings.HasPrefix(id, "sha256:") {
			t.Errorf("image id %q", id)
		}
	}
	u := d.Run(t, docker.Spec{Name: "unhealthy", Image: "workload:unhealthy", NoWait: true})
	c := d.Run(t, docker.Spec{Name: "crashing", Image: "workload:crashing", NoWait: true})
	// One image, good and bad by the size it was given.
	sized := map[string]string{"WORKLOAD_UNHEALTHY": "cpus>0.5"}
	s := d.Run(t, docker.Spec{Name: "sized", Image: "workload:good", CPUs: 0.5, Env: sized})
	testenv.Eventually(t, time.Minute, "the unhealthy image is unhealthy, the crashing one has crashed", func() bool {
		crashed := c.Inspect(t).State
		return u.Inspect(t).State.Health.Status == container.Unhealthy && !crashed.Running && crashed.ExitCode == 3
	})
	update := client.ContainerUpdateOptions{Resources: &container.Resources{NanoCPUs: 1e9}}
	if _, err := d.Client().ContainerUpdate(t.Context(), s.ID, update); err != nil {
		t.Fatal(err)
	}
	if s.Healthy() {
		t.Error("healthy above its size")
	}
	v := d.Run(t, docker.Spec{Name: "volume", Image: "workload:volume"})
	if mounts := v.Inspect(t).Mounts; len(mounts) != 1 || mounts[0].Destination != "/data" {
		t.Errorf("mounts: %+v", mounts)
	}
}

// TestE2EHang freezes dockerd: it accepts a connection and never answers. A frozen daemon and a paused container are cleaned
// up all the same.
func TestE2EHang(t *testing.T) {
	d := docker.Start(t, docker.LiveRestore())
	d.BuildImage(t, "workload:good", docker.Good())
	c := d.Run(t, docker.Spec{Name: "engram", Image: "workload:good"})
	d.Freeze()
	if !c.Healthy() {
		t.Error("the container froze with dockerd")
	}
	d.Thaw()
	if _, err := d.Client().ContainerPause(t.Context(), c.ID, client.ContainerPauseOptions{}); err != nil {
		t.Fatal(err)
	}
	d.Freeze()
	d.Stop()
}

// TestE2ESideBySide runs two engines at the same time, as tests of two packages do.
func TestE2ESideBySide(t *testing.T) {
	var daemons [2]*docker.Daemon
	for i := range daemons {
		daemons[i] = docker.Start(t, docker.DefaultBridge())
	}
	var building sync.WaitGroup
	for _, d := range daemons {
		building.Go(func() { d.BuildImage(t, "workload:good", docker.Good()) })
	}
	building.Wait()
	var addresses [2]netip.Addr
	for i, d := range daemons {
		c := d.Run(t, docker.Spec{Name: "engram", Image: "workload:good", Network: "bridge"})
		addresses[i] = c.Inspect(t).NetworkSettings.Networks["bridge"].IPAddress
	}
	if addresses[0] == addresses[1] {
		t.Errorf("two engines gave the same address %v", addresses[0])
	}
	daemons[0].Stop()
	if got := len(daemons[1].Containers(t)); got != 1 {
		t.Errorf("stopping one engine left %d containers in the other", got)
	}
}
