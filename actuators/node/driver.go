package node

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// A Driver changes memory nodes. It implements [actuators.Driver], [actuators.Keyed], [actuators.Owner] and [actuators.Releaser].
type Driver struct {
	log *slog.Logger

	mu      sync.Mutex
	clients map[Spec]*client
	owned   map[Spec]string // who we are to each node whose tiers we own
}

var (
	_ actuators.Driver   = (*Driver)(nil)
	_ actuators.Keyed    = (*Driver)(nil)
	_ actuators.Owner    = (*Driver)(nil)
	_ actuators.Releaser = (*Driver)(nil)
)

// New returns a driver. It connects to nothing yet.
func New(log *slog.Logger) *Driver {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Driver{log: log.With("component", platform), clients: map[Spec]*client{}, owned: map[Spec]string{}}
}

// Close drops idle connections. The driver may be used again.
func (d *Driver) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for s, c := range d.clients {
		c.http.CloseIdleConnections()
		delete(d.clients, s)
	}
	return nil
}

// Resources lists what the driver can change. Where a platform holds the process as well, cpu and memory are that one's.
func (d *Driver) Resources() []policy.Resource {
	return []policy.Resource{
		policy.TiersHotThreshold, policy.TiersWarmThreshold, policy.TiersHotTierSize, policy.EvictNow,
		policy.CPU, policy.Memory, policy.ThreadsSpreading, policy.ThreadsConsolidation,
		policy.Compact, policy.Retain, policy.Prune, policy.Archive,
	}
}

// Key names the node across agents on this host by its address.
func (d *Driver) Key(_ context.Context, t policy.Target) (string, error) {
	s, err := specOf(t)
	if err != nil {
		return "", err
	}
	return platform + "/" + s.address(), nil
}

// reach returns the client for t's node: another one when its certificates were renewed, but for as long as they are being replaced, and
// do not fit each other, the one before.
func (d *Driver) reach(t policy.Target) (*client, error) {
	s, err := specOf(t)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	had, ok := d.clients[s]
	if ok && had.files == filesOf(s) {
		return had, nil
	}
	c, err := newClient(s)
	switch {
	case err != nil && ok:
		return had, nil
	case err != nil:
		return nil, err
	case ok:
		had.http.CloseIdleConnections()
	}
	d.clients[s] = c
	return c, nil
}

// Do carries out one step.
func (d *Driver) Do(ctx context.Context, t policy.Target, s actuators.Step) error {
	c, err := d.reach(t)
	if err != nil {
		return err
	}
	switch s.Kind {
	case kindEvict:
		return c.evict(ctx, s.Args)
	case kindCompact:
		return c.compact(ctx)
	case kindPrune:
		return c.operate(ctx, snapshotsPath+"/prune", s.Args, &snapshotRequest{})
	case kindArchive:
		return c.operate(ctx, snapshotsPath+"/archive", s.Args, &snapshotRequest{})
	}
	return c.set(ctx, s.Kind, s.Args)
}

// Undo takes one step back. What an operation did stays done.
func (d *Driver) Undo(ctx context.Context, t policy.Target, s actuators.Step) error {
	c, err := d.reach(t)
	if err != nil {
		return err
	}
	switch s.Kind {
	case kindEvict, kindCompact, kindPrune, kindArchive:
		return ctx.Err()
	}
	return c.set(ctx, s.Kind, s.UndoArgs)
}

func unknownKind(kind string) error {
	return fmt.Errorf("node: step of unknown kind %q: was it journalled by a newer engramd?", kind)
}
