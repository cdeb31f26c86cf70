package volume

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// A Driver makes file systems larger. It implements [actuators.Driver], [actuators.Keyed],
// [actuators.Gauger] and [actuators.Diagnoser]. Its methods may be called concurrently.
type Driver struct {
	log    *slog.Logger
	system *system
	clouds *clouds
}

var (
	_ actuators.Driver    = (*Driver)(nil)
	_ actuators.Keyed     = (*Driver)(nil)
	_ actuators.Gauger    = (*Driver)(nil)
	_ actuators.Diagnoser = (*Driver)(nil)
)

// New returns a driver. It connects to nothing yet.
func New(log *slog.Logger) *Driver { return newDriver(log, thisHost(), connect) }

func newDriver(log *slog.Logger, s *system, dial dial) *Driver {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Driver{log: log.With("component", platform), system: s, clouds: newClouds(dial, s.wait)}
}

// Resources lists what the driver can change.
func (d *Driver) Resources() []policy.Resource { return []policy.Resource{policy.Storage} }

// Key names the volume across agents: by the host and the device, or by the volume's id.
func (d *Driver) Key(ctx context.Context, t policy.Target) (string, error) {
	spec, err := specOf(t)
	if err != nil {
		return "", err
	}
	machine, err := os.ReadFile(d.system.path("etc/machine-id"))
	if err != nil {
		return "", fmt.Errorf("name the host: %w (systemd-machine-id-setup makes it)", err)
	}
	f, err := d.look(ctx, spec)
	if err != nil {
		return "", err
	}
	return platform + "/" + strings.TrimSpace(string(machine)) + "/" + f.Device.Name, nil
}

// Do carries out one step.
func (d *Driver) Do(ctx context.Context, t policy.Target, s actuators.Step) error {
	spec, g, f, err := d.begin(ctx, t, s)
	if err != nil {
		return err
	}
	switch s.Kind {
	case kindCheck:
		return d.check(ctx, spec, g, f)
	case kindModify:
		return d.clouds.modify(ctx, spec.AWS, g.GiB)
	case kindDisk:
		return d.awaitDisk(ctx, spec, g)
	case kindPartition:
		return d.growPartition(ctx, spec, g, f)
	case kindFileSystem:
		return d.growFileSystem(ctx, spec, g, f)
	}
	return s.Unknown()
}

// Undo changes nothing: what check saw needs no undo, and what the others do has none.
func (d *Driver) Undo(ctx context.Context, _ policy.Target, s actuators.Step) error {
	switch s.Kind {
	case kindCheck, kindModify, kindDisk, kindPartition, kindFileSystem:
		if ctx.Err() != nil {
			return fmt.Errorf("undo %s: %w", s.Kind, context.Cause(ctx))
		}
		return nil
	}
	return s.Unknown()
}

// begin reads a step, and sees that its path still is the file system that it was planned for.
func (d *Driver) begin(ctx context.Context, t policy.Target, s actuators.Step) (spec Spec, g growth, f facts, err error) {
	if spec, err = specOf(t); err != nil {
		return spec, g, f, err
	}
	if err = s.Decode(&g); err != nil {
		return spec, g, f, err
	}
	f, err = d.look(ctx, spec)
	if errors.Is(err, actuators.ErrNotFound) {
		return spec, g, f, fmt.Errorf("%w: it was mounted from /dev/%s when this was planned", err, g.Device)
	}
	if err == nil && (f.Device.Name != g.Device || f.FS != g.FS) {
		err = fmt.Errorf("%w: %s is the %s on /dev/%s now, and this was planned for the %s on /dev/%s",
			actuators.ErrRefused, spec.Path, f.FS, f.Device.Name, g.FS, g.Device)
	}
	return spec, g, f, err
}
