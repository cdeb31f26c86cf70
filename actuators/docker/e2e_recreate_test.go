package docker_test

import (
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	api "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/docker"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/testenv"
	engine "github.com/engramd/engramd/testenv/docker"
)

// everything is a container that uses as much of Docker's configuration as this machine allows.
func everything(t *testing.T, b bench) *engine.Container {
	t.Helper()
	front, back := b.Network(t, "front", 1), b.Network(t, "back", 2)
	b.BuildImage(t, "workload:volume", engine.WithVolume())
	data := t.TempDir()
	c := b.Run(t, engine.Spec{
		Name: "engram", Image: "workload:volume", CPUs: 0.5, Memory: 64 << 20, MemorySwap: 96 << 20, MemoryReservation: 32 << 20,
		Network: "front", Volumes: []string{data + ":/host:ro", "named:/named"},
		Env: map[string]string{"SECRET": "s3cret", "WORKLOAD_DATA": "/data"},
		Labels: map[string]string{
			"com.docker.compose.project": "shop", "com.docker.compose.service": "engram",
			"com.docker.compose.container-number": "1", "com.docker.compose.oneoff": "False", "com.docker.compose.config-hash": "abc",
		},
		Change: func(o *client.ContainerCreateOptions) {
			c, h := o.Config, o.HostConfig
			c.Hostname, c.Domainname, c.StopSignal, c.WorkingDir = "recall", "example.org", "SIGTERM", "/named"
			c.StopTimeout = new(3)
			c.Healthcheck = &api.HealthConfig{Test: []string{"CMD", "/workload", "health"}, Interval: 500 * time.Millisecond, Retries: 3}
			h.RestartPolicy = api.RestartPolicy{Name: api.RestartPolicyOnFailure, MaximumRetryCount: 5}
			h.Ulimits = []*api.Ulimit{{Name: "nofile", Soft: 2000, Hard: 3000}}
			h.CapDrop, h.CapAdd = []string{"NET_RAW"}, []string{"NET_BIND_SERVICE"}
			h.LogConfig = api.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "1m", "max-file": "2"}}
			h.Sysctls = map[string]string{"net.ipv4.ip_unprivileged_port_start": "1"}
			h.Tmpfs = map[string]string{"/scratch": "size=1m"}
			h.ExtraHosts, h.DNS, h.DNSSearch, h.DNSOptions = []string{"db:10.0.0.9"}, []netip.Addr{netip.MustParseAddr("10.0.0.53")}, []string{"example.org"}, []string{"ndots:2"}
			h.OomScoreAdj, h.ShmSize, h.Init, h.PidsLimit = 100, 8<<20, new(true), new(int64(200))
			h.ReadonlyRootfs, h.GroupAdd, h.SecurityOpt = true, []string{"12"}, []string{"no-new-privileges"}
			h.IpcMode, h.CPUShares, h.CpusetCpus, h.BlkioWeight = "private", 512, "0-1", 0
			h.Devices = []api.DeviceMapping{{PathOnHost: "/dev/null", PathInContainer: "/dev/nothing", CgroupPermissions: "rwm"}}
			h.Mounts = []mount.Mount{{Type: mount.TypeVolume, Target: "/generated"}, {Type: mount.TypeTmpfs, Target: "/tmp2"}}
			o.NetworkingConfig = &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{"front": {
				IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: host(front, 10)}, Aliases: []string{"engram-front", "memory"},
			}}}
		},
	})
	_, err := b.Client().NetworkConnect(t.Context(), "back", client.NetworkConnectOptions{Container: c.ID, EndpointConfig: &network.EndpointSettings{
		Aliases: []string{"engram-back"}, IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: host(back, 20)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func host(p netip.Prefix, n byte) netip.Addr {
	a := p.Addr().As4()
	a[3] = n
	return netip.AddrFrom4(a)
}

// configuration is all of a container's inspection that somebody asked for.
func configuration(t *testing.T, b bench, ref string) map[string]any {
	t.Helper()
	result, err := b.Client().ContainerInspect(t.Context(), ref, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(result.Raw, &doc); err != nil {
		t.Fatal(err)
	}
	kept := map[string]any{"image": doc["Image"], "path": doc["Path"], "args": doc["Args"], "config": doc["Config"], "host": doc["HostConfig"]}
	delete(doc["Config"].(map[string]any), "Image") // by name, and by id once it was recreated
	delete(doc["Config"].(map[string]any)["Labels"].(map[string]any), docker.LabelFrom)
	mounts := doc["Mounts"].([]any)
	slices.SortFunc(mounts, func(a, b any) int {
		return strings.Compare(a.(map[string]any)["Destination"].(string), b.(map[string]any)["Destination"].(string))
	})
	kept["mounts"] = mounts
	settings := doc["NetworkSettings"].(map[string]any)
	kept["ports"] = settings["Ports"]
	endpoints := map[string]any{}
	id := doc["Id"].(string)
	for name, e := range settings["Networks"].(map[string]any) {
		e := e.(map[string]any)
		aliases, _ := e["Aliases"].([]any)
		aliases = slices.DeleteFunc(aliases, func(a any) bool { return strings.HasPrefix(id, a.(string)) })
		endpoints[name] = map[string]any{"ipam": e["IPAMConfig"], "ip": e["IPAddress"], "aliases": aliases, "links": e["Links"], "options": e["DriverOpts"]}
	}
	kept["endpoints"] = endpoints
	return kept
}

func TestE2ERecreateKeepsEverything(t *testing.T) {
	b := newBench(t)
	c := everything(t, b)
	target := b.target("engram", byRestart(policy.CPU))
	before := configuration(t, b, c.ID)
	p := b.plan(t, target, size(policy.CPU, 1500))
	if p.Strategy != policy.Restart {
		t.Fatalf("plan %+v, want a restart", p)
	}
	if text, _ := json.Marshal(p); strings.Contains(string(text), "s3cret") {
		t.Error("a secret of the container is in the plan, and so in the journal")
	}
	t.Logf("the plan's command:\n%s\nits notes:\n%s", p.Command, strings.Join(p.Notes, "\n"))
	b.do(t, target, p)
	b.eventuallyHealthy(t, target)
	now := b.observe(t, target)
	if now.ID == c.ID || now.Effective[policy.CPU] != policy.Amount(1500) || testenv.CPULimit(t, now.ID) != 1.5 {
		t.Errorf("recreated: %+v", now)
	}
	after := configuration(t, b, now.ID)
	host := after["host"].(map[string]any)
	if host["NanoCpus"] != 1.5e9 {
		t.Errorf("nano_cpus %v", host["NanoCpus"])
	}
	host["NanoCpus"] = 5e8
	// The generated volumes got their names written down; everything else is as it was.
	generated := nameGenerated(before, after)
	if len(generated) != 2 {
		t.Errorf("generated volumes named: %v, want those of /data and /generated", generated)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the configuration changed (-before +after):\n%s", diff)
	}
	old := b.Inspect(t, c.ID)
	if old.State.Running || old.HostConfig.RestartPolicy.Name != "no" || !strings.HasPrefix(old.Name, "/engram.engramd-") {
		t.Errorf("the old container is %s, running %t, restart %s", old.Name, old.State.Running, old.HostConfig.RestartPolicy.Name)
	}
	b.onlyOneService(t)

	for range 2 {
		b.undo(t, target, p)
	}
	if back := b.observe(t, target); back.ID != c.ID || !back.Running {
		t.Errorf("undone: %+v", back)
	}
	b.eventuallyHealthy(t, target)
	if diff := cmp.Diff(before, configuration(t, b, "engram")); diff != "" {
		t.Errorf("undone, the configuration differs (-before +after):\n%s", diff)
	}
	b.onlyOneService(t)

	// Once more, to the end.
	again := b.plan(t, target, size(policy.CPU, 1000))
	b.do(t, target, again)
	for range 2 {
		if err := b.driver.Finish(t.Context(), target, again.Steps); err != nil {
			t.Fatal(err)
		}
	}
	if all := b.Containers(t); len(all) != 1 {
		t.Errorf("containers left: %v", all)
	}
	if err := b.driver.Undo(t.Context(), target, again.Steps[len(again.Steps)-1]); !errors.Is(err, actuators.ErrRefused) {
		t.Errorf("undo after the old container was removed: got %v, want a refusal", err)
	}
	if now := b.observe(t, target); !now.Running {
		t.Error("a refused undo stopped the container")
	}
}

// nameGenerated gives before the names that after has for volumes that were generated, and returns
// their mount points.
func nameGenerated(before, after map[string]any) []string {
	var generated []string
	wasHost, isHost := before["host"].(map[string]any), after["host"].(map[string]any)
	was, _ := wasHost["Binds"].([]any)
	is, _ := isHost["Binds"].([]any)
	for _, bind := range is {
		if !slices.Contains(was, bind) {
			generated = append(generated, strings.Split(bind.(string), ":")[1])
		}
	}
	isHost["Binds"] = was
	wasMounts, _ := wasHost["Mounts"].([]any)
	for i, m := range isHost["Mounts"].([]any) {
		m := m.(map[string]any)
		if m["Source"] != nil && wasMounts[i].(map[string]any)["Source"] == nil {
			generated = append(generated, m["Target"].(string))
			delete(m, "Source")
		}
	}
	// A volume that is named in a bind shows Docker's default mode and propagation.
	for i, m := range after["mounts"].([]any) {
		m, w := m.(map[string]any), before["mounts"].([]any)[i].(map[string]any)
		if m["Type"] == "volume" {
			m["Mode"], m["Propagation"] = w["Mode"], w["Propagation"]
		}
	}
	return generated
}

// onlyOneService looks as compose does: at running containers with its labels.
func (b bench) onlyOneService(t *testing.T) {
	t.Helper()
	filters := client.Filters{}.Add("label", "com.docker.compose.project=shop").Add("label", "com.docker.compose.service=engram")
	list, err := b.Client().ContainerList(t.Context(), client.ContainerListOptions{Filters: filters})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != 1 || list.Items[0].Names[0] != "/engram" {
		t.Errorf("compose sees %+v, want the one service", list.Items)
	}
}

func TestE2ERecreateRefuses(t *testing.T) {
	b := newBench(t)
	b.BuildImage(t, "workload:good", engine.Good())
	b.Run(t, engine.Spec{Name: "gone-at-stop", Image: "workload:good", Change: func(o *client.ContainerCreateOptions) { o.HostConfig.AutoRemove = true }})
	joined := b.Run(t, engine.Spec{Name: "joined", Image: "workload:good", Change: func(o *client.ContainerCreateOptions) { o.HostConfig.IpcMode = "shareable" }})
	b.Run(t, engine.Spec{Name: "joins-ipc", Image: "workload:good", Change: func(o *client.ContainerCreateOptions) {
		o.HostConfig.IpcMode = api.IpcMode("container:" + joined.ID)
	}})
	b.Run(t, engine.Spec{Name: "uses-volumes", Image: "workload:good", Change: func(o *client.ContainerCreateOptions) {
		o.HostConfig.VolumesFrom = []string{"joined:ro"}
	}})
	b.Run(t, engine.Spec{Name: "paused", Image: "workload:good"})
	if _, err := b.Client().ContainerPause(t.Context(), "paused", client.ContainerPauseOptions{}); err != nil {
		t.Fatal(err)
	}
	for name, say := range map[string]string{"gone-at-stop": "--rm", "joined": "joins-ipc (ipc), uses-volumes (volumes-from)", "paused": "docker unpause paused"} {
		target := b.target(name, byRestart(policy.CPU))
		st, err := b.driver.Observe(t.Context(), target)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.driver.Plan(target, st, size(policy.CPU, 500)); !errors.Is(err, actuators.ErrRefused) || !strings.Contains(err.Error(), say) {
			t.Errorf("%s: got %v, want a refusal that says %q", name, err, say)
		}
		if live, err := b.driver.Plan(b.target(name), st, size(policy.CPU, 500)); err != nil || live.Strategy != policy.Live {
			t.Errorf("%s: live: %+v, %v", name, live, err)
		}
	}
	paused := b.target("paused")
	p := b.plan(t, paused, size(policy.CPU, 700))
	b.do(t, paused, p)
	if now := b.observe(t, paused); now.Effective[policy.CPU] != policy.Amount(700) {
		t.Errorf("a paused container has %v, want the live change", now.Effective)
	}
}

func TestE2EImageThatFails(t *testing.T) {
	b := newBench(t)
	b.BuildImage(t, "workload:now", engine.Checked())
	c := b.Run(t, engine.Spec{Name: "engram", Image: "workload:now", CPUs: 0.5})
	// Somebody builds another image under the same tag: the recreate must not pick it up.
	b.BuildImage(t, "workload:now", engine.Crashing())
	target := b.target("engram", byRestart(policy.CPU))
	p := b.plan(t, target, size(policy.CPU, 1000))
	b.do(t, target, p)
	b.eventuallyHealthy(t, target)
	if got := b.Inspect(t, "engram").Image; got != c.Inspect(t).Image {
		t.Errorf("recreated from image %s, want %s", got, c.Inspect(t).Image)
	}
	if err := b.driver.Finish(t.Context(), target, p.Steps); err != nil {
		t.Fatal(err)
	}
}

func TestE2EDaemonAway(t *testing.T) {
	b := newBench(t, engine.LiveRestore())
	b.BuildImage(t, "workload:good", engine.Good())
	c := b.Run(t, engine.Spec{Name: "engram", Image: "workload:good", CPUs: 0.5})
	target := b.target("engram")
	p := b.plan(t, target, size(policy.CPU, 1000))
	b.Kill()
	if _, err := b.driver.Observe(t.Context(), target); !errors.Is(err, actuators.ErrTransient) {
		t.Errorf("observe without a daemon: got %v, want a transient error", err)
	}
	if err := b.driver.Do(t.Context(), target, p.Steps[0]); !errors.Is(err, actuators.ErrTransient) {
		t.Errorf("update without a daemon: got %v, want a transient error", err)
	}
	b.Restart()
	b.do(t, target, p)
	if now := b.observe(t, target); now.ID != c.ID || now.Effective[policy.CPU] != policy.Amount(1000) {
		t.Errorf("after the daemon is back: %+v", now)
	}
}
