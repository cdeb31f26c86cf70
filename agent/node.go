package agent

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/agent/nodehost"
	"github.com/engramd/engramd/policy"
)

// embedded is the memory node that shares the agent's process, if there is one. The agent talks to it over
// HTTP, as to any other.
type embedded struct {
	host  host   // nil: none
	token string // by which this agent uses it, "" where it asks for none
	died  atomic.Pointer[error]
}

// A host serves a node until its context ends.
type host interface {
	Run(ctx context.Context) error
	URL() string
}

// openNode opens the embedded node, if the configuration has one. A node that does not open is an error of
// the start.
func (a *Agent) openNode() error {
	cfg := a.opts.Config
	if !cfg.Node.Enabled {
		return nil
	}
	h, err := nodehost.Open(nodehost.Options{
		Node: cfg.Node, DataDir: filepath.Join(cfg.DataDir, "node"), ListenKey: "listen.node", Memory: a.opts.Memory, Log: a.opts.Log,
		Access: api.Config{
			Addr: cfg.Listen.Node, TokenFile: cfg.Auth.TokenFile, OwnToken: a.node.token, Insecure: cfg.Listen.Insecure,
			CertFile: cfg.TLS.CertFile, KeyFile: cfg.TLS.KeyFile, ClientCAFile: cfg.TLS.ClientCAFile,
		},
	})
	if err != nil {
		return fmt.Errorf("%w (node.enabled: false runs the agent without)", err)
	}
	a.closer.add(h.Close)
	a.node.host = h
	a.transport = ownNodeTransport(cfg, h.URL())
	return nil
}

// nodeToken makes a token for this agent alone, where the embedded node asks for one, and leaves it where the node's driver and the
// scrape of its metrics read it. It is another one at each start.
func (a *Agent) nodeToken() error {
	name := a.opts.Config.NodeTokenFile()
	if name == "" {
		return nil
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) { // it may be somebody's who could read it
		return fmt.Errorf("write the token for the embedded node: %w", err)
	}
	a.node.token = rand.Text()
	if err := os.WriteFile(name, []byte(a.node.token+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the token for the embedded node: %w", err)
	}
	return nil
}

// runNode serves the node until ctx ends. One that dies takes nobody along: what the agent looks after
// still needs it. But it is told loudly, and the agent is not ready any more.
func (a *Agent) runNode(ctx context.Context) {
	if a.node.host == nil {
		return
	}
	a.log.Info("the memory node is serving", "url", a.node.host.URL())
	err := a.node.host.Run(ctx)
	if err == nil {
		return
	}
	if ctx.Err() != nil {
		a.log.Error("the memory node did not end in order", "error", err)
		return
	}
	a.node.died.Store(&err)
	a.log.Error("the memory node ended; the agent goes on without it until it is restarted", "error", err)
	a.emit(policy.Event{Type: policy.EventAgent, Severity: policy.Critical, Message: "the embedded memory node ended: " + err.Error()})
}

// ready is nil unless the node died.
func (e *embedded) ready() error {
	if err := e.died.Load(); err != nil {
		return api.Unavailable("the embedded memory node ended: %v", *err).WithRemedy("restart engramd; its log says more")
	}
	return nil
}

// view is what is shown of the node, nil if there is none.
func (e *embedded) view() *api.NodeView {
	if e.host == nil {
		return nil
	}
	v := &api.NodeView{URL: e.host.URL()}
	if err := e.died.Load(); err != nil {
		v.Ended = (*err).Error()
	}
	return v
}
