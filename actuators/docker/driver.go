package docker

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// A Driver resizes containers. It implements [actuators.Driver], [actuators.Finisher] and
// [actuators.Keyed].
type Driver struct {
	log  *slog.Logger
	root string // where proc and sys are

	mu         sync.Mutex
	daemons    map[string]*daemon // by Spec.Host
	topology   policy.Topology    // of this host
	topologyAt time.Time
	joins      joinCache
}

var (
	_ actuators.Driver   = (*Driver)(nil)
	_ actuators.Finisher = (*Driver)(nil)
	_ actuators.Keyed    = (*Driver)(nil)
)

// New returns a driver. It connects to nothing yet.
func New(log *slog.Logger) *Driver {
	if log == nil {
		log = discard()
	}
	return &Driver{log: log.With("component", platform), root: "/", daemons: make(map[string]*daemon)}
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// Close drops idle connections. The driver may be used again.
func (d *Driver) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for host, dm := range d.daemons {
		dm.close()
		delete(d.daemons, host)
	}
	return nil
}

// Resources lists what the driver can change.
func (d *Driver) Resources() []policy.Resource {
	return []policy.Resource{policy.CPU, policy.Memory, policy.CPUs}
}

// Key names the container across agents: by the daemon's id and root directory, and the container's name. The id alone
// is not enough: until Docker 24 all daemons of a host shared the one in /etc/docker/key.json.
func (d *Driver) Key(ctx context.Context, t policy.Target) (string, error) {
	spec, dm, err := d.reach(t)
	if err != nil {
		return "", err
	}
	info, err := dm.about(ctx)
	if err != nil {
		return "", err
	}
	if info.ID == "" { // daemons that only speak Docker's API may have none
		return "docker/" + dm.host + "/" + spec.Container, nil
	}
	return "docker/" + info.ID + info.Root + "/" + spec.Container, nil
}

// reach returns t's section and the connection to its daemon.
func (d *Driver) reach(t policy.Target) (Spec, *daemon, error) {
	spec, err := specOf(t)
	if err != nil {
		return Spec{}, nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	dm, ok := d.daemons[spec.Host]
	if !ok {
		if dm, err = dial(spec.Host); err != nil {
			return Spec{}, nil, err
		}
		d.daemons[spec.Host] = dm
	}
	return spec, dm, nil
}

// The kinds of steps.
const (
	kindUpdate = "update" // live
	kindQuiet  = "quiet"  // the old container's restart policy off
	kindStop   = "stop"
	kindRename = "rename" // the old container aside
	kindCreate = "create"
	kindStart  = "start"
)

// Do carries out one step.
func (d *Driver) Do(ctx context.Context, t policy.Target, s actuators.Step) error {
	_, dm, err := d.reach(t)
	if err != nil {
		return err
	}
	if s.Kind == kindUpdate {
		var u update
		if err := s.Decode(&u); err != nil {
			return err
		}
		return d.applyUpdate(ctx, dm, u)
	}
	r, err := recreationOf(dm, s)
	if err != nil {
		return err
	}
	switch s.Kind {
	case kindQuiet:
		return r.quiet(ctx)
	case kindStop:
		return r.stop(ctx)
	case kindRename:
		return r.rename(ctx)
	case kindCreate:
		return r.create(ctx)
	case kindStart:
		return r.start(ctx)
	}
	return s.Unknown()
}

// Undo takes one step back. It may be repeated, and called for a step that failed part-way or never
// ran.
func (d *Driver) Undo(ctx context.Context, t policy.Target, s actuators.Step) error {
	_, dm, err := d.reach(t)
	if err != nil {
		return err
	}
	if s.Kind == kindUpdate {
		var done, back update
		if err := errors.Join(s.Decode(&done), s.DecodeUndo(&back)); err != nil {
			return err
		}
		return d.takeBack(ctx, dm, done, back)
	}
	r, err := recreationOf(dm, s)
	if err != nil {
		return err
	}
	switch s.Kind {
	case kindQuiet:
		return r.undoQuiet(ctx)
	case kindStop:
		return r.undoStop(ctx)
	case kindRename:
		return r.undoRename(ctx)
	case kindCreate:
		return r.undoCreate(ctx)
	case kindStart:
		return r.undoStart(ctx)
	}
	return s.Unknown()
}

// Finish removes the old container of a recreate, once there is no way back any more.
func (d *Driver) Finish(ctx context.Context, t policy.Target, steps []actuators.Step) error {
	_, dm, err := d.reach(t)
	if err != nil {
		return err
	}
	for _, s := range steps {
		if s.Kind != kindRename {
			continue
		}
		r, err := recreationOf(dm, s)
		if err != nil {
			return err
		}
		if err := r.finish(ctx); err != nil {
			return err
		}
	}
	return nil
}
