package loop_test

import (
	"encoding/json"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/docker"
	"github.com/engramd/engramd/testenv/loop"
)

// composed gives one service of a compose project more memory, with a restart.
const composed = quick + `
mode: auto
metrics: {interval: 1s}
maintenance_windows: [{name: always, cron: "* * * * *", duration: 10m, time_zone: UTC}]
targets:
  - name: recall
    docker: {container: shop-recall-1, host: "{{.docker}}"}
    limits: {memory: {min: 32Mi, max: 96Mi}}
    apply: {memory: restart}
    maintenance_window: always
    stop_timeout: 5s
    health: {url: "{{.url}}/health", timeout: 20s}
policies:
  - name: memory
    target: recall
    every: 1s
    matrix:
      signals:
        limit: max(engramd_target_memory_limit_bytes{target="$target"})
      rows:
        - {when: {limit: "< 60000000"}, for: 2s, do: scale, change: {memory: {to: 96Mi}}}
        - {when: {limit: ">= 60000000"}, do: none}
`

// labelsOf is what compose puts on the first container of a service.
func labelsOf(service string) map[string]string {
	return map[string]string{
		"com.docker.compose.project":              "shop",
		"com.docker.compose.service":              service,
		"com.docker.compose.container-number":     "1",
		"com.docker.compose.oneoff":               "False",
		"com.docker.compose.config-hash":          "9f2d1c7be8a64d0c8b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192",
		"com.docker.compose.version":              "2.24.5",
		"com.docker.compose.project.working_dir":  "/srv/shop",
		"com.docker.compose.project.config_files": "/srv/shop/compose.yaml",
		"com.docker.compose.depends_on":           "",
		"com.docker.compose.image":                "sha256:0000000000000000000000000000000000000000000000000000000000000000",
		"org.example.team":                        "search",
	}
}

// composePS lists what `docker compose ps` (all: ps --all, and what `up` looks at) shows of a service: it goes by these labels.
func composePS(t *testing.T, d *docker.Daemon, service string, all bool) (names []string) {
	t.Helper()
	filters := client.Filters{}.Add("label", "com.docker.compose.project=shop", "com.docker.compose.service="+service,
		"com.docker.compose.oneoff=False", "com.docker.compose.config-hash")
	list, err := d.Client().ContainerList(t.Context(), client.ContainerListOptions{All: all, Filters: filters})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list.Items {
		names = append(names, c.Names[0][1:])
	}
	slices.Sort(names)
	return names
}

// runService starts the service as compose would, with what a compose file can say.
func runService(t *testing.T, d *docker.Daemon) *docker.Container {
	t.Helper()
	at := func(subnet netip.Prefix, n byte) netip.Addr {
		bytes := subnet.Addr().As4()
		bytes[3] = n
		return netip.AddrFrom4(bytes)
	}
	front, back := d.Network(t, "shop_front", 1), d.Network(t, "shop_back", 2)
	c := d.Run(t, docker.Spec{
		Name: "shop-recall-1", Image: image, CPUs: 0.5, Memory: 48 * mebi, MemorySwap: 64 * mebi, MemoryReservation: 32 * mebi,
		Network: "shop_front", Labels: labelsOf("recall"), Volumes: []string{t.TempDir() + ":/data:rw", "shop_index:/index:rw"},
		Env: map[string]string{"WORKLOAD_DATA": "/data"},
		Change: func(o *client.ContainerCreateOptions) {
			o.Config.Hostname, o.Config.StopTimeout, o.Config.User = "recall", new(4), "0:0"
			o.Config.Healthcheck = &container.HealthConfig{Test: []string{"CMD", "/workload", "health"}, Interval: 500 * time.Millisecond, Timeout: 2 * time.Second, Retries: 3}
			h := o.HostConfig
			h.RestartPolicy = container.RestartPolicy{Name: container.RestartPolicyUnlessStopped}
			h.Ulimits = []*container.Ulimit{{Name: "nofile", Soft: 2048, Hard: 4096}, {Name: "nproc", Soft: 512, Hard: 512}}
			h.CapDrop, h.CapAdd = []string{"ALL"}, []string{"NET_BIND_SERVICE", "DAC_OVERRIDE"}
			h.LogConfig = container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "2m", "max-file": "3", "labels": "org.example.team"}}
			h.Mounts = []mount.Mount{{Type: mount.TypeVolume, Source: "shop_cache", Target: "/cache"}, {Type: mount.TypeTmpfs, Target: "/scratch"}}
			h.ExtraHosts, h.Init = []string{"archive:10.1.2.3"}, new(true)
			o.NetworkingConfig = &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{"shop_front": {
				Aliases: []string{"shop-recall-1", "recall"}, IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: at(front, 10)},
			}}}
		},
	})
	_, err := d.Client().NetworkConnect(t.Context(), "shop_back", client.NetworkConnectOptions{Container: c.ID, EndpointConfig: &network.EndpointSettings{
		Aliases: []string{"shop-recall-1", "recall", "memory"}, IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: at(back, 20)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// asked is everything of a container that somebody asked for, as JSON has it; what differs between any two containers, and
// what the change is about, is left out.
func asked(t *testing.T, d *docker.Daemon, id string) map[string]any {
	t.Helper()
	result, err := d.Client().ContainerInspect(t.Context(), id, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		ID, Name, Image, Path, Driver, AppArmorProfile string
		Args                                           []string
		Config, HostConfig                             map[string]any
		Mounts                                         []map[string]any
		NetworkSettings                                struct {
			Ports    map[string]any
			Networks map[string]struct {
				IPAMConfig any
				IPAddress  string
				Aliases    []string
			}
		}
	}
	if err := json.Unmarshal(result.Raw, &c); err != nil {
		t.Fatal(err)
	}
	delete(c.Config, "Image") // a name, and an id from then on: the tag may be another image by now
	for _, key := range []string{"Memory", "MemorySwap", "MemoryReservation"} {
		delete(c.HostConfig, key)
	}
	labels := c.Config["Labels"].(map[string]any)
	maps.DeleteFunc(labels, func(key string, _ any) bool { return key == "io.engramd.recreated-from" })
	for name, n := range c.NetworkSettings.Networks {
		n.Aliases = slices.DeleteFunc(n.Aliases, func(alias string) bool { return strings.HasPrefix(c.ID, alias) })
		c.NetworkSettings.Networks[name] = n
	}
	slices.SortFunc(c.Mounts, func(a, b map[string]any) int {
		return strings.Compare(a["Destination"].(string), b["Destination"].(string))
	})
	return map[string]any{
		"image": c.Image, "command": append([]string{c.Path}, c.Args...), "storage": c.Driver, "apparmor": c.AppArmorProfile,
		"config": c.Config, "host": c.HostConfig, "mounts": c.Mounts, "ports": c.NetworkSettings.Ports, "networks": c.NetworkSettings.Networks,
	}
}

// reaches tells whether a container reaches a service by a name of its network.
func reaches(t *testing.T, d *docker.Daemon, from, url string) bool {
	t.Helper()
	exec, err := d.Client().ExecCreate(t.Context(), from, client.ExecCreateOptions{Cmd: []string{"/workload", "health", url}})
	if err == nil {
		_, err = d.Client().ExecStart(t.Context(), exec.ID, client.ExecStartOptions{Detach: true})
	}
	if err != nil {
		t.Fatal(err)
	}
	var state client.ExecInspectResult
	testenv.Eventually(t, soon, "the request has ended", func() bool {
		state, err = d.Client().ExecInspect(t.Context(), exec.ID, client.ExecInspectOptions{})
		return err == nil && !state.Running
	})
	return state.ExitCode == 0
}

// TestE2ECompose recreates a service of a compose project. To compose it is one service all the time, and nothing of what
// the compose file says of it is lost.
func TestE2ECompose(t *testing.T) {
	t.Parallel()
	d := startEngine(t)
	c := runService(t, d)
	neighbour := d.Run(t, docker.Spec{Name: "shop-web-1", Image: image, Network: "shop_back", Labels: labelsOf("web")})
	testenv.Eventually(t, soon, "the service is healthy", func() bool { return c.Inspect(t).State.Health.Status == container.Healthy })
	before := asked(t, d, c.ID)
	census := loop.Count(t, d, "shop-recall-1")
	a := loop.Start(t, composed, loop.Values{"docker": d.Host(), "url": c.URL})

	// While it is watched, the old one is there for the way back: with its labels, since labels cannot be changed. It does
	// not run, so `docker compose ps` shows one service; `ps --all` and `up` see two, which is why the plan warns of `up`.
	watched := a.Await(t, soon, "it is recreated", loop.Changes("memory", "50331648", "100663296", "validating"))
	kept := "shop-recall-1.engramd-" + c.ID[:12]
	if got, want := composePS(t, d, "recall", false), []string{"shop-recall-1"}; !slices.Equal(got, want) {
		t.Errorf("while it is watched, docker compose ps shows %v, want %v", got, want)
	}
	if got, want := composePS(t, d, "recall", true), []string{"shop-recall-1", kept}; !slices.Equal(got, want) {
		t.Errorf("while it is watched, docker compose ps --all shows %v, want %v", got, want)
	}
	if explained := a.Do(t, "explain", watched.ID); !strings.Contains(explained, "do not run `docker compose up` for recall") {
		t.Errorf("explain does not warn of docker compose up:\n%s", explained)
	}

	over := a.Await(t, soon, "it is over", func(x loop.Action) bool { return x.ID == watched.ID && x.Final() })
	if !slices.Contains(strings.Fields(stays), over.State) {
		t.Fatalf("it ended %s: %s", over.State, over.Reason)
	}
	testenv.Eventually(t, soon, "docker compose ps --all shows one", func() bool { return len(composePS(t, d, "recall", true)) == 1 })
	for _, all := range []bool{false, true} {
		if got, want := composePS(t, d, "recall", all), []string{"shop-recall-1"}; !slices.Equal(got, want) {
			t.Errorf("docker compose ps (all %v) shows %v, want %v", all, got, want)
		}
	}
	now := d.Inspect(t, "shop-recall-1")
	if now.ID == c.ID || !now.State.Running || testenv.MemoryLimit(t, now.ID) != 96*mebi || now.HostConfig.MemorySwap != 112*mebi {
		t.Errorf("a new container %v, running %v, the kernel's limit %d, with swap %d",
			now.ID != c.ID, now.State.Running, testenv.MemoryLimit(t, now.ID), now.HostConfig.MemorySwap)
	}
	if diff := cmp.Diff(before, asked(t, d, now.ID)); diff != "" {
		t.Errorf("what was asked for has changed (-before +after):\n%s", diff)
	}
	if !c.Healthy() || !reaches(t, d, neighbour.ID, "http://recall:8080") || !reaches(t, d, neighbour.ID, "http://memory:8080") {
		t.Error("it is not reached at its published port, or by its names in the network")
	}
	census.Expect(t)
}
