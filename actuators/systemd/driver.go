package systemd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// A Driver resizes units. It implements [actuators.Driver], [actuators.Keyed] and
// [actuators.Releaser].
type Driver struct {
	log   *slog.Logger
	files files // and where proc and sys are
	dial  func(ctx context.Context, user bool) (bus, error)

	mu       sync.Mutex
	managers map[bool]*manager // by Spec.User
}

var (
	_ actuators.Driver   = (*Driver)(nil)
	_ actuators.Keyed    = (*Driver)(nil)
	_ actuators.Releaser = (*Driver)(nil)
)

// New returns a driver. It connects to nothing yet.
func New(log *slog.Logger) *Driver {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Driver{log: log.With("component", platform), files: files{root: "/"}, dial: dial, managers: make(map[bool]*manager)}
}

// Close drops the connections. The driver may be used again.
func (d *Driver) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, m := range d.managers {
		m.close()
	}
	return nil
}

// Resources lists what the driver can change.
func (d *Driver) Resources() []policy.Resource {
	return []policy.Resource{policy.CPU, policy.CPUs, policy.Memory}
}

// Key names the unit across agents: by the host, the manager and the unit's primary name.
func (d *Driver) Key(ctx context.Context, t policy.Target) (string, error) {
	spec, m, err := d.reach(t)
	if err != nil {
		return "", err
	}
	machine, err := os.ReadFile(filepath.Join(d.files.root, "etc/machine-id"))
	if err != nil {
		return "", fmt.Errorf("name the host: %w (systemd-machine-id-setup makes it)", err)
	}
	u, err := m.unit(ctx, spec.Unit)
	if err != nil {
		return "", err
	}
	who := "system"
	if spec.User {
		who = "user-" + strconv.Itoa(os.Getuid())
	}
	return platform + "/" + strings.TrimSpace(string(machine)) + "/" + who + "/" + u.Name, nil
}

// reach returns t's section and its manager.
func (d *Driver) reach(t policy.Target) (Spec, *manager, error) {
	spec, err := specOf(t)
	if err != nil {
		return Spec{}, nil, err
	}
	return spec, d.manager(spec.User), nil
}

func (d *Driver) manager(user bool) *manager {
	d.mu.Lock()
	defer d.mu.Unlock()
	m, ok := d.managers[user]
	if !ok {
		m = &manager{user: user, dial: d.dial}
		d.managers[user] = m
	}
	return m
}

// The kinds of steps.
const (
	kindSet      = "set"
	kindInstance = "instance" // first of a restart: its undo brings the unit up with its old size
	kindRestart  = "restart"
)

// Do carries out one step.
func (d *Driver) Do(ctx context.Context, t policy.Target, s actuators.Step) error {
	_, m, err := d.reach(t)
	if err != nil {
		return err
	}
	switch s.Kind {
	case kindSet:
		c, e, err := changeOf(s)
		if err != nil {
			return err
		}
		return d.resizing(m, c, e).do(ctx)
	case kindInstance, kindRestart:
		i, err := instanceOf(s)
		if err != nil {
			return err
		}
		if s.Kind == kindInstance {
			return d.check(ctx, m, i)
		}
		return d.restart(ctx, m, i)
	}
	return s.Unknown()
}

// Undo takes one step back. It may be repeated, and called for a step that failed part-way or never
// ran.
func (d *Driver) Undo(ctx context.Context, t policy.Target, s actuators.Step) error {
	_, m, err := d.reach(t)
	if err != nil {
		return err
	}
	switch s.Kind {
	case kindSet:
		c, e, err := changeOf(s)
		if err != nil {
			return err
		}
		return d.resizing(m, c, e).undo(ctx)
	case kindInstance:
		i, err := instanceOf(s)
		if err != nil {
			return err
		}
		return d.restartBack(ctx, m, i)
	case kindRestart: // the instance step brings the unit up, once its size is back
		return m.call(ctx, "undo a restart", readTimeout, func(context.Context, bus) error { return nil })
	}
	return s.Unknown()
}

func changeOf(s actuators.Step) (c change, e earlier, err error) {
	err = errors.Join(s.Decode(&c), s.DecodeUndo(&e))
	if err == nil && len(c.Settings) != len(e.Settings) {
		err = errors.New("systemd: the journalled step makes no sense: its undo is of other settings")
	}
	return c, e, err
}

func instanceOf(s actuators.Step) (i instance, err error) { return i, s.Decode(&i) }
