package deploy_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/deploy"
	"github.com/engramd/engramd/testenv/docker"
)

const (
	systemRoots = "/etc/ssl/certs/ca-certificates.crt"
	soon        = time.Minute
)

// hardened is a container of the image with as little as it needs: a read-only root, no capabilities.
func hardened(name string) client.ContainerCreateOptions {
	return client.ContainerCreateOptions{
		Name:   name,
		Config: &container.Config{Image: deploy.Image},
		HostConfig: &container.HostConfig{
			NetworkMode: "host", ReadonlyRootfs: true, CapDrop: []string{"ALL"}, SecurityOpt: []string{"no-new-privileges:true"},
		},
	}
}

// configured mounts an agent.yaml over the image's.
func configured(t *testing.T, o client.ContainerCreateOptions, yaml string) client.ContainerCreateOptions {
	t.Helper()
	file := filepath.Join(t.TempDir(), "agent.yaml")
	if err := os.WriteFile(file, []byte(yaml), 0o644); err != nil {
		t.Fatal(err)
	}
	o.HostConfig.Binds = append(o.HostConfig.Binds, file+":/etc/engramd/agent.yaml:ro")
	return o
}

func publish(t *testing.T, ports network.PortMap, port string) string {
	t.Helper()
	host := strconv.Itoa(testenv.Port(t))
	ports[network.MustParsePort(port)] = []network.PortBinding{{HostIP: netip.MustParseAddr("127.0.0.1"), HostPort: host}}
	return "127.0.0.1:" + host
}

func agentAt(t *testing.T, addr string) *api.Client {
	t.Helper()
	c, err := api.NewClient(api.ClientConfig{Addr: addr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func get(url string) (int, string) {
	resp, err := http.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text)
}

// TestE2EImage builds the images once and uses them in turn.
func TestE2EImage(t *testing.T) {
	d := docker.Start(t)
	server := newServer(t)
	deploy.BuildImages(t, d, server.bundle)
	d.Network(t, "engram", 1)
	t.Run("refuses to be open to all", func(t *testing.T) { refuses(t, d) })
	t.Run("serves", func(t *testing.T) { serves(t, d) })
	t.Run("trusts the roots inside", func(t *testing.T) { trusts(t, d, server) })
	t.Run("knows time zones", func(t *testing.T) { knowsZones(t, d) })
	t.Run("resizes", func(t *testing.T) { resizes(t, d, "65532:65532", "unknown (no permission to look into it)") })
	t.Run("resizes as root", func(t *testing.T) { resizes(t, d, "0:0", "go1.") })
	t.Run("has the guide's tools", func(t *testing.T) { hasTools(t, d) })
	t.Run("composes", func(t *testing.T) { composes(t, d) })
}

// refuses starts the image with nothing said about access: it must not listen for everybody.
func refuses(t *testing.T, d *docker.Daemon) {
	o := hardened("engram-open")
	o.HostConfig.NetworkMode = "engram"
	id := deploy.Start(t, d, o)
	testenv.Eventually(t, soon, "it has ended", func() bool { return !d.Inspect(t, id).State.Running })
	if code := d.Inspect(t, id).State.ExitCode; code != 2 {
		t.Errorf("exit code %d, want 2", code)
	}
	if log := deploy.Logs(t, d, id); !strings.Contains(log, "is not loopback, and nothing guards it") {
		t.Errorf("it says:\n%s", log)
	}
}

// serves runs the image as the guide runs it, hardened: agent and node answer on their published ports, the data is on
// its volume, and Docker finds it healthy.
func serves(t *testing.T, d *docker.Daemon) {
	o := hardened("engram")
	ports := network.PortMap{}
	agent, node := publish(t, ports, "9090/tcp"), publish(t, ports, "7432/tcp")
	o.HostConfig.NetworkMode, o.HostConfig.PortBindings = "engram", ports
	o.HostConfig.Binds = []string{"engram-data:/data", "engram-wal:/wal"}
	o.Config.Env = []string{"ENGRAMD_INSECURE=1"}
	o.Config.Healthcheck = &container.HealthConfig{Interval: time.Second} // what it runs is the image's
	began := time.Now()
	id := deploy.Start(t, d, o)
	testenv.Eventually(t, soon, "the node answers", func() bool {
		code, _ := get("http://" + node + "/health")
		return code == http.StatusOK
	})
	t.Logf("from docker run to the node's first answer: %v", time.Since(began).Round(time.Millisecond))
	if code, text := get("http://" + agent + "/-/healthy"); code != http.StatusOK {
		t.Errorf("the agent answers %d %s", code, text)
	}
	resp, err := http.Post("http://"+node+"/api/v1/memories/remember", "application/json", strings.NewReader(`{"id": "m", "content": "kept"}`))
	if err != nil || resp.StatusCode/100 != 2 {
		t.Fatalf("remember: %v %v", resp, err)
	}
	resp.Body.Close()
	if out, err := deploy.Exec(t, d, id, "engramd", "healthcheck"); err != nil {
		t.Errorf("healthcheck: %v\n%s", err, out)
	}
	testenv.Eventually(t, soon, "Docker finds it healthy", func() bool { return d.Inspect(t, id).State.Health.Status == container.Healthy })
	if user := d.Inspect(t, id).Config.User; user != "65532:65532" {
		t.Errorf("it runs as %s", user)
	}
	if _, err := d.Client().ContainerStop(t.Context(), id, client.ContainerStopOptions{}); err != nil {
		t.Fatal(err)
	}
	if code := d.Inspect(t, id).State.ExitCode; code != 0 {
		t.Errorf("it stopped with %d:\n%s", code, deploy.Logs(t, d, id))
	}
	if _, err := d.Client().ContainerStart(t.Context(), id, client.ContainerStartOptions{}); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, soon, "the memory is there after a restart", func() bool {
		code, text := get("http://" + node + "/api/v1/memories/m")
		return code == http.StatusOK && strings.Contains(text, "kept")
	})
	remove(t, d, id)
}

func remove(t *testing.T, d *docker.Daemon, id string) {
	t.Helper()
	if _, err := d.Client().ContainerRemove(context.WithoutCancel(t.Context()), id, client.ContainerRemoveOptions{Force: true}); err != nil {
		t.Error(err)
	}
}

// A server speaks HTTPS with a certificate of an authority that only the image's bundle knows.
type server struct {
	url    string
	bundle string // the machine's roots and the authority
}

func newServer(t *testing.T) server {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a test's own authority"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "app_up 1") }))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // who does not trust it hangs up
	s.StartTLS()
	t.Cleanup(s.Close)
	bundle := slices.Concat([]byte(read(t, systemRoots)), []byte("\n"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	file := filepath.Join(t.TempDir(), "roots.crt")
	if err := os.WriteFile(file, bundle, 0o644); err != nil {
		t.Fatal(err)
	}
	return server{s.URL, file}
}

// trusts scrapes a server whose authority is in the image's bundle, and with another bundle in its place does not.
func trusts(t *testing.T, d *docker.Daemon, s server) {
	for name, bundle := range map[string]string{"the image's own": "", "another one": systemRoots} {
		t.Run(name, func(t *testing.T) {
			addr := fmt.Sprintf("127.0.0.1:%d", testenv.Port(t))
			o := configured(t, hardened("engram-tls"), fmt.Sprintf("version: 1\ndata_dir: /data\nlisten: {agent: %q}\nnode: {enabled: false}\nmetrics: {interval: 1s, scrape: [{job: app, url: %q}]}\n", addr, s.url+"/metrics"))
			if bundle != "" {
				o.HostConfig.Binds = append(o.HostConfig.Binds, bundle+":"+systemRoots+":ro")
			}
			id := deploy.Start(t, d, o)
			defer remove(t, d, id)
			agent := agentAt(t, addr)
			testenv.Eventually(t, soon, "it says how the scrape went", func() bool {
				status, err := agent.Status(t.Context())
				if err != nil || len(status.Metrics.Scrapes) != 1 || status.Metrics.Scrapes[0].LastAt.IsZero() {
					return false
				}
				one := status.Metrics.Scrapes[0]
				if bundle == "" {
					return one.Up
				}
				return !one.Up && strings.Contains(one.Error, "unknown authority")
			})
		})
	}
}

// knowsZones declares a maintenance window in a time zone, of which the image has no file.
func knowsZones(t *testing.T, d *docker.Daemon) {
	const zone = "Australia/Lord_Howe" // half an hour off all others
	addr := fmt.Sprintf("127.0.0.1:%d", testenv.Port(t))
	o := configured(t, hardened("engram-zone"), fmt.Sprintf(`
version: 1
data_dir: /data
listen: {agent: %q}
node: {enabled: false}
maintenance_windows: [{name: nightly, cron: "0 2 * * *", duration: 2h, time_zone: %s}]
targets: [{name: app, docker: {container: app}, maintenance_window: nightly}]
`, addr, zone))
	id := deploy.Start(t, d, o)
	defer remove(t, d, id)
	agent := agentAt(t, addr)
	testenv.Eventually(t, soon, "it says when the window opens", func() bool {
		status, err := agent.Status(t.Context())
		return err == nil && len(status.Targets) == 1 && status.Targets[0].Window != nil && opensAtTwo(t, zone, status.Targets[0].Window.Start)
	})
}

func opensAtTwo(t *testing.T, zone string, at time.Time) bool {
	t.Helper()
	there, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	if local := at.In(there); local.Hour() != 2 || local.Minute() != 0 {
		t.Fatalf("the window opens at %v", local)
	}
	return true
}

// resizes gives the image Docker's socket, and has it resize a container beside it.
func resizes(t *testing.T, d *docker.Daemon, user, inside string) {
	d.BuildImage(t, "workload:good", docker.Good())
	c := d.Run(t, docker.Spec{Name: "web", Image: "workload:good", CPUs: 0.2})
	defer remove(t, d, c.ID)
	addr := fmt.Sprintf("127.0.0.1:%d", testenv.Port(t))
	o := configured(t, hardened("engram-agent"), fmt.Sprintf(`
version: 1
data_dir: /data
mode: auto
listen: {agent: %q}
node: {enabled: false}
metrics: {interval: 1s}
targets: [{name: web, docker: {container: web}, limits: {cpu: {max: 500m}}}]
policies:
  - name: cpu
    target: web
    every: 1s
    matrix:
      signals: {limit: 'max(engramd_target_cpu_limit_cores{target="$target"})'}
      rows:
        - {when: {limit: "< 0.4"}, for: 2s, do: scale, change: {cpu: {to: 500m}}}
        - {when: {limit: ">= 0.4"}, do: none}
`, addr))
	socket := strings.TrimPrefix(d.Host(), "unix://")
	o.Config.User = user
	if user == "0:0" {
		o.HostConfig.CapAdd = []string{"DAC_OVERRIDE", "SYS_PTRACE"}
	}
	h := o.HostConfig
	h.PidMode, h.CgroupnsMode, h.GroupAdd = "host", "host", []string{groupOf(t, socket)}
	h.Binds = append(h.Binds, socket+":/var/run/docker.sock", "/sys/fs/cgroup:/sys/fs/cgroup:ro")
	id := deploy.Start(t, d, o)
	defer remove(t, d, id)
	testenv.Eventually(t, soon, "the container has half a core", func() bool { return testenv.CPULimit(t, c.ID) == 0.5 })
	agent := agentAt(t, addr)
	testenv.Eventually(t, soon, "it says what runs inside: "+inside, func() bool {
		status, err := agent.Status(t.Context())
		return err == nil && len(status.Targets) == 1 && strings.HasPrefix(status.Targets[0].Runtime, inside)
	})
}

func groupOf(t *testing.T, file string) string {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(int(info.Sys().(*syscall.Stat_t).Gid))
}

// hasTools runs the guide's docker exec lines in the tools image.
func hasTools(t *testing.T, d *docker.Daemon) {
	o := hardened("engram")
	o.HostConfig.NetworkMode, o.Config.Image, o.Config.Env = "engram", deploy.Tools, []string{"ENGRAMD_INSECURE=1"}
	o.HostConfig.Tmpfs = map[string]string{"/tmp": ""}
	id := deploy.Start(t, d, o)
	defer remove(t, d, id)
	const maintenance = "http://localhost:7432/api/v1/admin/maintenance/"
	must := func(want string, command ...string) {
		t.Helper()
		if out, err := deploy.Exec(t, d, "engram", command...); err != nil || !strings.Contains(out, want) {
			t.Errorf("docker exec engram %s: %v, want %q in\n%s", strings.Join(command, " "), err, want, out)
		}
	}
	testenv.Eventually(t, soon, "docker exec engram curl -f http://localhost:7432/health", func() bool {
		_, err := deploy.Exec(t, d, "engram", "curl", "-f", "http://localhost:7432/health")
		return err == nil
	})
	must("true", "curl", "-X", "POST", maintenance+"enable")
	must("false", "curl", "-X", "POST", maintenance+"disable")
	must("all well", "/app/scripts/smoke_test.sh")
	must("engram_", "sh", "-c", "curl -s http://localhost:7432/metrics | grep -E 'cpu_utilization|memory_usage'")
	must("memory node", "engramd", "status")
}
