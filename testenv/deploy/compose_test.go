package deploy_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"

	"github.com/engramd/engramd/agent/api"
	files "github.com/engramd/engramd/deploy"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/deploy"
	"github.com/engramd/engramd/testenv/docker"
)

const token = "0123456789abcdef0123456789abcdef0123456789abcdef"

// composed reads deploy/compose.yaml as it lies in a directory of a user's, who has made a token.
func composed(t *testing.T, env map[string]string) deploy.Compose {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	place(t, 0o644, map[string]string{
		filepath.Join(dir, "secrets/tokens"): "me:admin:" + token + "\n", filepath.Join(dir, "compose-agent.yaml"): file(t, "compose-agent.yaml"),
	})
	if os.Geteuid() == 0 { // as the file says
		tokens := filepath.Join(dir, "secrets/tokens")
		if err := errors.Join(os.Chown(tokens, 65532, 65532), os.Chmod(tokens, 0o400)); err != nil {
			t.Fatal(err)
		}
	}
	c, err := deploy.ReadCompose([]byte(file(t, "compose.yaml")), dir, env)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func file(t *testing.T, name string) string {
	t.Helper()
	text, err := files.Files.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestCompose holds compose.yaml to what this repository promises of it, without an engine.
func TestCompose(t *testing.T) {
	c := composed(t, nil)
	for name, s := range c.Services {
		if s.Image != "engram:latest" || !s.ReadOnly || len(s.CapDrop) != 1 || s.Environment["ENGRAMD_TOKEN_FILE"] == "" {
			t.Errorf("%s is not as hardened as it says: %+v", name, s)
		}
		for _, p := range s.Ports {
			if !strings.HasPrefix(p, "127.0.0.1:") {
				t.Errorf("%s publishes %s for other machines", name, p)
			}
		}
		if _, err := c.Create(name, "shared"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if o, _ := c.Create("node", "shared"); o.HostConfig.Memory != 1<<30 || o.HostConfig.MemorySwap != 1<<30 || o.HostConfig.NanoCPUs != 1e9 {
		t.Errorf("the node has %d bytes, %d with swap, and %d nanocpus", o.HostConfig.Memory, o.HostConfig.MemorySwap, o.HostConfig.NanoCPUs)
	}
	for line := range strings.SplitSeq(file(t, ".env.example"), "\n") {
		if key, _, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") && !strings.Contains(file(t, "compose.yaml"), "${"+key) {
			t.Errorf(".env.example says %s, and compose.yaml does not ask for it", key)
		}
	}
}

// composes starts both services as docker compose would, each as the file says but for what this machine has elsewhere.
func composes(t *testing.T, d *docker.Daemon) {
	socket := strings.TrimPrefix(d.Host(), "unix://")
	c := composed(t, map[string]string{"DOCKER_GID": groupOf(t, socket)})
	d.Network(t, "engramd_default", 2)
	locks := t.TempDir()
	if err := os.Chmod(locks, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	up := func(name, port string) (id, addr string) {
		o, err := c.Create(name, "engramd_default")
		if err != nil {
			t.Fatal(err)
		}
		for i, b := range o.HostConfig.Binds {
			b = strings.Replace(b, "/var/run/docker.sock:", socket+":", 1)
			o.HostConfig.Binds[i] = strings.Replace(b, "/run/lock:", locks+":", 1)
		}
		host := strconv.Itoa(testenv.Port(t))
		o.HostConfig.PortBindings[network.MustParsePort(port)][0].HostPort = host
		o.Config.Healthcheck = &container.HealthConfig{Interval: time.Second}
		id = deploy.Start(t, d, o)
		t.Cleanup(func() { remove(t, d, id) })
		testenv.Eventually(t, soon, name+" is healthy", func() bool { return d.Inspect(t, id).State.Health.Status == container.Healthy })
		return id, "127.0.0.1:" + host
	}
	_, node := up("node", "7432/tcp")
	agentID, agent := up("agent", "9090/tcp")

	if code, _ := get("http://" + node + "/api/v1/memories"); code != http.StatusUnauthorized {
		t.Errorf("the node answers %d to whoever has no token", code)
	}
	if code, _ := get("http://" + agent + "/engramd/v1/status"); code != http.StatusUnauthorized {
		t.Errorf("the agent answers %d to whoever has no token", code)
	}
	client, err := api.NewClient(api.ClientConfig{Addr: agent, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	t.Cleanup(func() {
		if t.Failed() {
			s, _ := client.Status(context.WithoutCancel(t.Context()))
			t.Logf("the agent sees %+v\nand has written\n%s", s.Targets, deploy.Logs(t, d, agentID))
		}
	})
	testenv.Eventually(t, soon, "the agent sees the node's size and use", func() bool { return seesNode(t.Context(), client) })
}

// seesNode wants the size from the engine, and the use from the control group.
func seesNode(ctx context.Context, c *api.Client) bool {
	s, err := c.Status(ctx)
	if err != nil || len(s.Targets) != 1 {
		return false
	}
	seen := 0
	for _, r := range s.Targets[0].Resources {
		switch {
		case r.Resource == policy.CPU && r.Effective == policy.Amount(1000) && r.Used != nil:
			seen++
		case r.Resource == policy.Memory && r.Effective == policy.Amount(1<<30) && r.Used != nil:
			seen++
		}
	}
	return seen == 2
}
