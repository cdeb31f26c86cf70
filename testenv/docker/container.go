package docker

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/engramd/engramd/testenv"
)

// startsWithin is how long a container may take to answer its health check.
const startsWithin = 2 * time.Minute

// A Spec is a container of the workload. The zero value of a field leaves Docker's default.
type Spec struct {
	Name  string
	Image string

	CPUs              float64 // cores, as docker run --cpus
	Memory            int64   // bytes
	MemorySwap        int64
	MemoryReservation int64

	Env     map[string]string
	Labels  map[string]string
	Volumes []string // "name:/data"
	Network string   // a user-defined network or "bridge", with a published port; "" is the host's network
	NoWait  bool     // do not wait for /health

	// Change may alter what is asked of Docker, last of all.
	Change func(*client.ContainerCreateOptions)
}

// A Container is a running workload. Its URL is on 127.0.0.1 in every network, and stays the same when the container is
// started again or replaced by one with the same environment and ports.
type Container struct {
	testenv.Workload
	ID   string
	Name string

	daemon *Daemon
}

// Run creates and starts a container, and waits until it is healthy.
func (d *Daemon) Run(t testing.TB, spec Spec) *Container {
	t.Helper()
	port := testenv.Port(t)
	create := spec.create(port)
	created, err := d.client.ContainerCreate(t.Context(), create)
	if err != nil {
		t.Fatalf("testenv: create container %s: %v", spec.Name, err)
	}
	if _, err := d.client.ContainerStart(t.Context(), created.ID, client.ContainerStartOptions{}); err != nil {
		t.Fatalf("testenv: start container %s: %v", spec.Name, err)
	}
	c := &Container{
		Workload: testenv.Workload{URL: "http://127.0.0.1:" + strconv.Itoa(port)},
		ID:       created.ID, Name: create.Name, daemon: d,
	}
	if !spec.NoWait {
		testenv.Eventually(t, startsWithin, "container "+spec.Name+" is healthy", c.Healthy)
	}
	return c
}

// create translates the spec; port is the one on 127.0.0.1.
func (s Spec) create(port int) client.ContainerCreateOptions {
	o := client.ContainerCreateOptions{
		Name:   s.Name,
		Config: &container.Config{Image: s.Image, Labels: s.Labels},
		HostConfig: &container.HostConfig{
			NetworkMode: "host",
			Binds:       s.Volumes,
			Resources: container.Resources{
				NanoCPUs: int64(s.CPUs * 1e9), Memory: s.Memory, MemorySwap: s.MemorySwap, MemoryReservation: s.MemoryReservation,
			},
		},
	}
	env := map[string]string{}
	if s.Network == "" {
		env["WORKLOAD_LISTEN"] = fmt.Sprintf("127.0.0.1:%d", port)
	} else {
		o.HostConfig.NetworkMode = container.NetworkMode(s.Network)
		o.HostConfig.PortBindings = network.PortMap{network.MustParsePort("8080/tcp"): {
			{HostIP: netip.MustParseAddr("127.0.0.1"), HostPort: strconv.Itoa(port)},
		}}
	}
	maps.Copy(env, s.Env)
	for _, key := range slices.Sorted(maps.Keys(env)) {
		o.Config.Env = append(o.Config.Env, key+"="+env[key])
	}
	if s.Change != nil {
		s.Change(&o)
	}
	return o
}

// Inspect asks Docker about a container, by name or id.
func (d *Daemon) Inspect(t testing.TB, nameOrID string) container.InspectResponse {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testenv.Patience(30*time.Second))
	defer cancel()
	result, err := d.client.ContainerInspect(ctx, nameOrID, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatalf("testenv: inspect %s: %v", nameOrID, err)
	}
	return result.Container
}

// Containers lists all containers, running or not, by their names without the slash.
func (d *Daemon) Containers(t testing.TB) map[string]container.Summary {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testenv.Patience(30*time.Second))
	defer cancel()
	result, err := d.client.ContainerList(ctx, client.ContainerListOptions{All: true})
	if err != nil {
		t.Fatalf("testenv: list containers: %v", err)
	}
	byName := map[string]container.Summary{}
	for _, c := range result.Items {
		for _, name := range c.Names {
			byName[name[1:]] = c
		}
	}
	return byName
}

// Inspect asks Docker about this container by its id, whatever its name is now.
func (c *Container) Inspect(t testing.TB) container.InspectResponse {
	t.Helper()
	return c.daemon.Inspect(t, c.ID)
}
