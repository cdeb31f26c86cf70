package agent

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/policy"
)

// standalone reads an agent.yaml for a real agent with its node, both on ports that the kernel picks.
func standalone(t *testing.T, node string) *config.Config {
	t.Helper()
	text := "version: 1\nlisten: {agent: '127.0.0.1:0', node: '127.0.0.1:0'}\nnode: " + node + "\n"
	cfg, err := config.Parse("agent.yaml", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg.DataDir = t.TempDir()
	return cfg
}

func fetch(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

const smallNode = "{enabled: true, hot_tier_size: 1Mi, storage: {wal: {segment_size: 8Mi}}}"

// The agent and its node share one process, from the first answer to an orderly end.
func TestEmbeddedNode(t *testing.T) {
	a, err := New(Options{Config: standalone(t, smallNode), Version: "test", LockDir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	if code, text := fetch(t, a.node.host.URL()+"/health"); code != http.StatusOK {
		t.Errorf("the node: %d %s", code, text)
	}
	if code, text := fetch(t, "http://"+a.Addr()+"/-/ready"); code != http.StatusOK {
		t.Errorf("the agent: %d %s", code, text)
	}
	cancel()
	if err := errors.Join(<-ended, a.Close()); err != nil {
		t.Error(err)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestEmbeddedNodeDoesNotOpen(t *testing.T) {
	cfg := standalone(t, smallNode)
	cfg.DataDir = t.TempDir()
	other, err := New(Options{Config: cfg, Version: "test", LockDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	busy := standalone(t, smallNode)
	busy.Listen.Node = strings.TrimPrefix(other.node.host.URL(), "http://")
	_, err = New(Options{Config: busy, Version: "test", LockDir: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "choose another with listen.node") {
		t.Errorf("a busy port: %v", err)
	}
}

func TestNoEmbeddedNode(t *testing.T) {
	a, err := New(Options{Config: standalone(t, "{enabled: false}"), Version: "test", LockDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if a.node.host != nil {
		t.Error("a node nobody asked for")
	}
}

// dying is a node that dies when told.
type dying struct{ now chan error }

func (dying) URL() string { return "http://127.0.0.1:7432" }

func (d dying) Run(ctx context.Context) error {
	select {
	case err := <-d.now:
		return err
	case <-ctx.Done():
		return nil
	}
}

// A node that dies takes nobody along, and is told.
func TestEmbeddedNodeDies(t *testing.T) {
	inEmptyWorld(t, "", func(w *world) {
		d := dying{make(chan error)}
		w.prepare = func(a *Agent) { a.node.host = d }
		w.start("agent.yaml")
		w.pass(time.Minute)
		if err := w.agent.node.ready(); err != nil {
			t.Errorf("while it lives: %v", err)
		}
		var told []policy.Event
		w.life.watch(func(e policy.Event) { told = append(told, e) })
		d.now <- errors.New("disk on fire")
		synctest.Wait()
		w.life.watch(nil)
		if len(told) != 1 || told[0].Severity != policy.Critical || !strings.Contains(told[0].Message, "disk on fire") {
			t.Errorf("told: %+v", told)
		}
		st, err := w.agent.Status(w.t.Context())
		if err != nil || st.Node == nil || st.Node.Ended != "disk on fire" {
			t.Errorf("status: %+v, %v", st.Node, err)
		}
		err = w.agent.Ready(w.t.Context())
		if err == nil || !strings.Contains(err.Error(), "disk on fire") {
			t.Errorf("ready: %v", err)
		}
	})
}
