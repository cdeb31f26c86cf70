package demo

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"text/template"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/config"
)

//go:embed agent.yaml
var agentYAML string

// A place is the directory and the ports of one demo.
type place struct {
	Dir                 string
	AgentPort, NodePort int
	made                bool     // the directory was made here
	claim               *os.File // says that this demo lives
}

// openPlace makes the directory, or takes an empty one that it is told, and finds two ports that are free.
func openPlace(dir string) (*place, error) {
	p := &place{}
	if err := p.takeDir(dir); err != nil {
		return nil, err
	}
	var err error
	if p.claim, err = claim(p.Dir); err == nil {
		p.AgentPort, p.NodePort, err = freePorts()
	}
	if err != nil {
		return nil, errors.Join(err, p.remove())
	}
	return p, nil
}

func (p *place) takeDir(dir string) (err error) {
	if dir == "" {
		clearKilled(os.TempDir())
		if p.Dir, err = os.MkdirTemp("", prefix); err != nil {
			return fmt.Errorf("make a directory for the demo: %w (--data-dir or TMPDIR names another place)", err)
		}
		p.made = true
		return nil
	}
	if p.Dir, err = filepath.Abs(dir); err != nil {
		return fmt.Errorf("--data-dir %s: %w", dir, err)
	}
	_, err = os.Stat(p.Dir)
	p.made = errors.Is(err, os.ErrNotExist)
	if err := os.MkdirAll(p.Dir, 0o700); err != nil {
		return fmt.Errorf("make --data-dir: %w", err)
	}
	entries, err := os.ReadDir(p.Dir)
	switch {
	case err != nil:
		return fmt.Errorf("--data-dir: %w", err)
	case len(entries) > 0:
		return fmt.Errorf("--data-dir %s is not empty: the demo begins with nothing; name a new directory", p.Dir)
	}
	return nil
}

// freePorts finds two. Somebody else may take one before we do; then the agent's error says so.
func freePorts() (int, int, error) {
	var ports [2]int
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return 0, 0, fmt.Errorf("find a free port on 127.0.0.1: %w (the demo talks to its node over loopback)", err)
		}
		defer l.Close()
		c, err := net.DialTimeout("tcp", l.Addr().String(), 5*time.Second)
		if err != nil {
			return 0, 0, fmt.Errorf("reach a port on 127.0.0.1: %w (the demo talks to its node over loopback: is lo up?)", err)
		}
		c.Close()
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports[0], ports[1], nil
}

// configuration writes agent.yaml into the place, so that it can be looked at, and reads it.
func (p *place) configuration(reg actuators.Registry) (*config.Config, error) {
	t, err := template.New("agent.yaml").Parse(agentYAML)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	if err := t.Execute(&text, p); err != nil {
		return nil, err
	}
	path := filepath.Join(p.Dir, "agent.yaml")
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		return nil, fmt.Errorf("write the demo's configuration: %w", err)
	}
	return config.Load(path, reg)
}

// slim removes what only the running demo needed, the memories and the samples, and leaves what tells of it.
func (p *place) slim() error {
	defer p.claim.Close()
	var errs []error
	for _, name := range []string{"node", "metrics", "locks", claimName} {
		errs = append(errs, os.RemoveAll(filepath.Join(p.Dir, name)))
	}
	return errors.Join(errs...)
}

// remove removes everything that was made here.
func (p *place) remove() error {
	defer p.claim.Close() // or nil, which is no file
	if p.made {
		return os.RemoveAll(p.Dir)
	}
	entries, err := os.ReadDir(p.Dir)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(p.Dir, e.Name())))
	}
	return err
}
