package docker_test

import (
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/docker"
	"github.com/engramd/engramd/testenv/load"
)

// These tests do by hand what engramd is to do by itself: they show that the workload can tell a good change from a bad one.

// TestE2ESpinningThread gives more CPU to one thread that spins: up to one core it takes it, above nothing changes.
func TestE2ESpinningThread(t *testing.T) {
	d := docker.Start(t)
	d.BuildImage(t, "workload:good", docker.Good())
	c := d.Run(t, docker.Spec{Name: "engram", Image: "workload:good", CPUs: 0.5})
	c.Do(t, "/spin?on")
	inUse := func() float64 {
		percent, _ := c.Metric(t, "engram_cpu_utilization_percent", "core", "all")
		limit, _ := c.Metric(t, "engram_cpu_limit_cores")
		return percent / 100 * limit
	}
	testenv.Eventually(t, time.Minute, "it uses the half core", func() bool { return inUse() > 0.45 && inUse() < 0.6 })
	resize(t, d, c.ID, 1)
	testenv.Eventually(t, time.Minute, "it uses the whole core", func() bool { return inUse() > 0.7 })
	resize(t, d, c.ID, 1.5)
	before := testenv.CPUStat(t, c.ID)
	testenv.Eventually(t, time.Minute, "it leaves the rest", func() bool {
		stat := testenv.CPUStat(t, c.ID)
		return stat.Periods > before.Periods+20 && stat.Throttled == before.Throttled
	})
	if got := inUse(); got > 1.15 {
		t.Errorf("one thread uses %.2f cores", got)
	}
}

func resize(t *testing.T, d *docker.Daemon, id string, cores float64) {
	t.Helper()
	update := client.ContainerUpdateOptions{Resources: &container.Resources{NanoCPUs: int64(cores * 1e9)}}
	if _, err := d.Client().ContainerUpdate(t.Context(), id, update); err != nil {
		t.Fatal(err)
	}
}

// TestE2EDrainedRestart replaces a container on a volume under a load of writes: what is refused is refused in maintenance,
// and nothing else is lost; never do two containers hold the volume.
func TestE2EDrainedRestart(t *testing.T) {
	d := docker.Start(t)
	d.BuildImage(t, "workload:good", docker.Good())
	data := t.TempDir()
	spec := docker.Spec{
		Name: "engram", Image: "workload:good", CPUs: 1, Memory: 64 << 20, MemorySwap: 64 << 20,
		Volumes: []string{data + ":/data"}, Env: map[string]string{"WORKLOAD_DATA": "/data"},
	}
	old := d.Run(t, spec)
	l := testenv.StartLoad(t, load.Config{URL: old.URL + "/write?cpu=2ms", Method: "POST", Rate: 60, FreshConnections: true})
	testenv.Eventually(t, time.Minute, "writes flow", func() bool { return l.Report().Count(load.OK) > 30 })

	drained := time.Now()
	old.SetMaintenance(t, true, "engramd")
	testenv.Eventually(t, time.Minute, "writes are refused, and none is in flight", func() bool {
		writes, ok := old.Metric(t, "engram_operations_in_flight", "kind", "write")
		return ok && writes == 0 && l.Report().Count(load.Unavailable) > 3
	})
	ctx := t.Context()
	if _, err := d.Client().ContainerStop(ctx, old.ID, client.ContainerStopOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Client().ContainerRename(ctx, old.ID, client.ContainerRenameOptions{NewName: "engram-old"}); err != nil {
		t.Fatal(err)
	}
	asked := old.Inspect(t)
	created, err := d.Client().ContainerCreate(ctx, client.ContainerCreateOptions{Name: "engram", Config: asked.Config, HostConfig: asked.HostConfig})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Client().ContainerStart(ctx, created.ID, client.ContainerStartOptions{}); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, time.Minute, "the new container is healthy", old.Healthy)
	if old.Maintenance(t).Enabled {
		t.Error("maintenance outlived the restart")
	}
	back := time.Now()
	testenv.Eventually(t, time.Minute, "writes flow again", func() bool {
		return l.Report().Between(back, time.Now()).Count(load.OK) > 30
	})
	report := l.Stop()
	if lost := report.Outside(drained, back).Lost(); lost.Sent() > 0 {
		t.Errorf("lost outside the drained time: %v", lost)
	}
	if inside := report.Between(drained, back); inside.Count(load.Unavailable) == 0 || inside.Count(load.Refused) == 0 {
		t.Errorf("the gap was not seen: %v", inside)
	}
	if starts, violations := docker.Starts(t, data); len(starts) != 2 || len(violations) > 0 {
		t.Errorf("starts %+v, violations %+v", starts, violations)
	}
	// Starting the old one beside the new one is what must never happen; the volume tells.
	if _, err := d.Client().ContainerStart(ctx, old.ID, client.ContainerStartOptions{}); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, time.Minute, "the second writer is noticed", func() bool {
		_, violations := docker.Starts(t, data)
		return len(violations) == 1
	})
}

// TestE2EMemory holds memory, and sees what the kernel charges for it: anonymous memory and page cache.
func TestE2EMemory(t *testing.T) {
	d := docker.Start(t)
	d.BuildImage(t, "workload:good", docker.Good())
	c := d.Run(t, docker.Spec{Name: "engram", Image: "workload:good", Memory: 128 << 20, MemorySwap: 128 << 20})
	used := func() int64 {
		bytes, err := testenv.Cgroup(t, c.ID).MemoryUsage()
		if err != nil {
			t.Fatal(err)
		}
		return bytes
	}
	before := used()
	c.Do(t, "/memory?bytes=48Mi")
	if grown := used() - before; grown < 47<<20 {
		t.Errorf("holding 48 MiB charged %d bytes", grown)
	}
	c.Do(t, "/cache?bytes=32Mi")
	if grown := used() - before; grown < 75<<20 {
		t.Errorf("with 32 MiB of page cache %d bytes are charged", grown)
	}
	c.Do(t, "/cache?free")
	c.Do(t, "/memory?free")
	if grown := used() - before; grown > 10<<20 {
		t.Errorf("after freeing %d bytes are still charged", grown)
	}
	if limit, _ := c.Metric(t, "engram_memory_limit_bytes"); limit != 128<<20 {
		t.Errorf("the workload sees a limit of %.0f", limit)
	}
	// Beyond its limit the kernel kills it.
	c.Kill(t, "/memory?bytes=256Mi")
	testenv.Eventually(t, time.Minute, "it was killed for want of memory", func() bool {
		state := c.Inspect(t).State
		return !state.Running && state.OOMKilled
	})
}
