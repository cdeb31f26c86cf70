package docker_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	api "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/engramd/engramd/actuators/docker"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/testenv"
	engine "github.com/engramd/engramd/testenv/docker"
)

// TestE2ERecreateInEveryMode recreates containers whose settings exclude one another, or that Docker
// shows in another form than it takes them in.
func TestE2ERecreateInEveryMode(t *testing.T) {
	b := newBench(t, engine.DefaultBridge())
	b.BuildImage(t, "workload:good", engine.Good())
	front := b.Network(t, "front", 1)
	b.Run(t, engine.Spec{Name: "other", Image: "workload:good", Network: "bridge"})
	modes := []struct {
		name   string
		spec   engine.Spec
		change func(*client.ContainerCreateOptions)
	}{
		{"default bridge with a link", engine.Spec{Network: "bridge"}, func(o *client.ContainerCreateOptions) { o.HostConfig.Links = []string{"other:db"} }},
		{"network of another container", engine.Spec{NoWait: true}, func(o *client.ContainerCreateOptions) { o.HostConfig.NetworkMode = "container:other" }},
		{"namespaces of another container", engine.Spec{}, func(o *client.ContainerCreateOptions) {
			o.HostConfig.PidMode = "container:other"
		}},
		{"the host's names", engine.Spec{}, func(o *client.ContainerCreateOptions) {
			o.HostConfig.UTSMode, o.HostConfig.PidMode, o.HostConfig.IpcMode = "host", "host", "host"
		}},
		{"no network", engine.Spec{NoWait: true}, func(o *client.ContainerCreateOptions) { o.HostConfig.NetworkMode = "none" }},
		{"network by its id", engine.Spec{NoWait: true}, func(o *client.ContainerCreateOptions) {
			o.HostConfig.NetworkMode = api.NetworkMode(b.networkID(t, "front"))
		}},
		{"fixed address", engine.Spec{Network: "front"}, func(o *client.ContainerCreateOptions) {
			o.NetworkingConfig = &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{"front": {
				IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: host(front, 77)},
			}}}
		}},
		{"image's entrypoint switched off", engine.Spec{}, func(o *client.ContainerCreateOptions) {
			o.Config.Entrypoint, o.Config.Cmd = []string{""}, []string{"/workload"}
		}},
		{"entrypoint and arguments", engine.Spec{}, func(o *client.ContainerCreateOptions) {
			o.Config.Entrypoint = []string{"/workload"}
		}},
		{"volumes of another container", engine.Spec{}, func(o *client.ContainerCreateOptions) { o.HostConfig.VolumesFrom = []string{"volumes:ro"} }},
		{"random host port", engine.Spec{NoWait: true, Network: "front"}, func(o *client.ContainerCreateOptions) {
			for port := range o.HostConfig.PortBindings {
				o.HostConfig.PortBindings[port] = []network.PortBinding{{}}
			}
		}},
		{"private cgroup namespace", engine.Spec{NoWait: true}, func(o *client.ContainerCreateOptions) { o.HostConfig.CgroupnsMode = "private" }},
	}
	b.Run(t, engine.Spec{Name: "volumes", Image: "workload:good", Volumes: []string{"shared:/shared"}})
	for i, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			mode.spec.Name, mode.spec.Image, mode.spec.CPUs, mode.spec.Change = "engram-"+string(rune('a'+i)), "workload:good", 0.5, mode.change
			c := b.Run(t, mode.spec)
			target := b.target(c.Name, byRestart(policy.CPU))
			before := configuration(t, b, c.ID)
			p := b.plan(t, target, size(policy.CPU, 1000))
			b.do(t, target, p)
			if err := b.driver.Finish(t.Context(), target, p.Steps); err != nil {
				t.Fatal(err)
			}
			now := b.observe(t, target)
			if !now.Running || now.ID == c.ID || now.Effective[policy.CPU] != policy.Amount(1000) {
				t.Errorf("recreated: %+v", now)
			}
			after := configuration(t, b, now.ID)
			after["host"].(map[string]any)["NanoCpus"] = 5e8
			for _, doc := range []map[string]any{before, after} {
				forgive(doc, mode.name)
			}
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("the configuration changed (-before +after):\n%s", diff)
			}
		})
	}
}

// forgive takes out what is new by its nature.
func forgive(doc map[string]any, mode string) {
	config := doc["config"].(map[string]any)
	if name, _ := config["Hostname"].(string); len(name) == 12 {
		delete(config, "Hostname") // Docker's own choice
	}
	switch mode {
	case "network of another container":
		delete(config, "Hostname")
		delete(config, "ExposedPorts")
	case "random host port":
		delete(doc, "ports")
	case "volumes of another container": // its volumes are named in binds as well
		delete(doc["host"].(map[string]any), "Binds")
		for _, m := range doc["mounts"].([]any) {
			delete(m.(map[string]any), "Mode")
		}
	}
	for _, e := range doc["endpoints"].(map[string]any) {
		e := e.(map[string]any)
		if e["ipam"] == nil || cmp.Equal(e["ipam"], map[string]any{}) {
			delete(e, "ip") // dynamic
			delete(e, "ipam")
		}
	}
}

func (b bench) networkID(t *testing.T, name string) string {
	t.Helper()
	n, err := b.Client().NetworkInspect(t.Context(), name, client.NetworkInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return n.Network.ID
}

// TestE2EKeptContainerStaysDown restarts the daemon, and with it all containers that have a restart
// policy, while an old container is kept.
func TestE2EKeptContainerStaysDown(t *testing.T) {
	b := newBench(t)
	b.BuildImage(t, "workload:good", engine.Good())
	c := b.Run(t, engine.Spec{Name: "engram", Image: "workload:good", CPUs: 0.5, Change: func(o *client.ContainerCreateOptions) {
		o.HostConfig.RestartPolicy = api.RestartPolicy{Name: api.RestartPolicyAlways}
	}})
	target := b.target("engram", byRestart(policy.CPU))
	p := b.plan(t, target, size(policy.CPU, 1000))
	b.do(t, target, p)
	b.Kill()
	b.Restart()
	testenv.Eventually(t, 20*time.Second, "the new container is back", func() bool { return b.observe(t, target).Running })
	if c.Inspect(t).State.Running {
		t.Error("the old container is back, too")
	}
	b.undo(t, target, p)
	if now := b.observe(t, target); now.ID != c.ID || !now.Running {
		t.Errorf("undone: %+v", now)
	}
}

// A breaker stands between a driver and the engine, and breaks the connection at one call, before the
// engine gets it or after it has answered.
type breaker struct {
	*httptest.Server
	calls atomic.Int64
	at    atomic.Int64
	after atomic.Bool
}

func newBreaker(t *testing.T, b bench) *breaker {
	t.Helper()
	socket := strings.TrimPrefix(b.Host(), "unix://")
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", "docker" },
		Transport: transport,
	}
	br := &breaker{}
	br.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hit := br.calls.Add(1) == br.at.Load()
		if hit && !br.after.Load() {
			panic(http.ErrAbortHandler)
		}
		if hit {
			proxy.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { br.Close(); transport.CloseIdleConnections() })
	return br
}

// TestE2EUndoAfterABreakAtEveryCall interrupts a recreate at each of its calls on the real engine, and
// has another process undo it: exactly one container runs in the end, and never two.
func TestE2EUndoAfterABreakAtEveryCall(t *testing.T) {
	b := newBench(t)
	b.BuildImage(t, "workload:good", engine.Good())
	data := t.TempDir() // the workload writes down there when two hold it
	c := b.Run(t, engine.Spec{
		Name: "engram", Image: "workload:good", CPUs: 0.5, Network: b.oneNetwork(t), Volumes: []string{data + ":/data"},
		Env: map[string]string{"WORKLOAD_DATA": "/data"},
	})
	br := newBreaker(t, b)
	direct := b.target("engram", byRestart(policy.CPU))
	broken := targetAt("tcp://"+strings.TrimPrefix(br.URL, "http://"), "engram", byRestart(policy.CPU))
	was := configuration(t, b, c.ID)
	for _, after := range []bool{false, true} {
		br.after.Store(after)
		for nth := int64(1); ; nth++ {
			p := b.plan(t, direct, size(policy.CPU, 1000))
			br.calls.Store(0)
			br.at.Store(nth)
			driver := docker.New(nil)
			begun, broke := carry(t.Context(), driver, broken, p)
			driver.Close()
			reached := br.calls.Load() >= nth
			if err := back(t.Context(), b.driver, direct, begun); err != nil {
				t.Fatalf("break at call %d (%v): %v", nth, broke, err)
			}
			now := b.observe(t, direct)
			if all := b.Containers(t); len(all) != 1 || now.ID != c.ID || !now.Running {
				t.Fatalf("break at call %d (%v): left %v, observed %+v", nth, broke, slices.Collect(func(yield func(string) bool) {
					for name := range all {
						yield(name)
					}
				}), now)
			}
			if !reached {
				break
			}
		}
	}
	if diff := cmp.Diff(was, configuration(t, b, "engram")); diff != "" {
		t.Errorf("the configuration changed (-before +after):\n%s", diff)
	}
	if _, violations := engine.Starts(t, data); len(violations) > 0 {
		t.Errorf("two containers ran: %+v", violations)
	}
}

func (b bench) oneNetwork(t *testing.T) string {
	b.Network(t, "front", 1)
	return "front"
}

func TestE2EFindAndProbe(t *testing.T) {
	b := newBench(t)
	t.Setenv("DOCKER_HOST", b.Host())
	b.BuildImage(t, "workload:good", engine.Good())
	b.Run(t, engine.Spec{Name: "engram", Image: "workload:good", CPUs: 0.5, Memory: 64 << 20, Network: b.oneNetwork(t), Labels: map[string]string{"prometheus.io/port": "8080"}})
	p := docker.Platform()
	found, err := p.Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 || found[0].Name != "engram" || !strings.Contains(found[0].Note, "workload:good, cpu 500m, memory 64Mi") || !strings.HasPrefix(found[0].MetricsURL, "http://127.0.0.1:") {
		text, _ := json.Marshal(found)
		t.Errorf("found %s", text)
	}
	for _, f := range p.Probe(t.Context()) {
		t.Logf("%+v", f)
		if !f.OK && f.What != "docker swap limits" {
			t.Errorf("%s: %s", f.What, f.Detail)
		}
	}
	t.Setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
	for _, f := range p.Probe(t.Context()) {
		if f.OK || f.Remedy == "" {
			t.Errorf("without a daemon: %+v, want a remedy", f)
		}
	}
}
