package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"github.com/engramd/engramd/node/disk"
)

// A Hold is one owner's wish that the node take no writes. The node is in maintenance mode while there is any.
type Hold struct {
	Owner string    `json:"owner"`
	Since time.Time `json:"since"`
	Until time.Time `json:"until,omitzero"` // zero: until it is released
}

// DefaultOwner is whoever switches maintenance mode on without a name.
const DefaultOwner = "operator"

const (
	maintenanceFile = "maintenance.json"
	retryGuess      = 30 * time.Second
)

// maintenance is the maintenance mode. It is kept in a file and survives a restart.
type maintenance struct {
	disk disk.FS
	now  func() time.Time

	mu    sync.RWMutex
	holds []Hold // by owner
}

func readMaintenance(fsys disk.FS, now func() time.Time) (*maintenance, error) {
	m := &maintenance{disk: fsys, now: now}
	b, err := disk.ReadWhole(fsys, maintenanceFile)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &m.holds)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s (remove it to leave maintenance mode): %w", maintenanceFile, err)
	}
	return m, nil
}

// living returns the holds that have not run out.
func (m *maintenance) living() []Hold {
	now := m.now()
	return slices.DeleteFunc(slices.Clone(m.holds), func(h Hold) bool { return !h.Until.IsZero() && !now.Before(h.Until) })
}

// refusal returns why writes are refused, or nil.
func (m *maintenance) refusal() error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if len(m.holds) == 0 {
		return nil
	}
	holds := m.living()
	if len(holds) == 0 {
		return nil
	}
	e := &MaintenanceError{Owner: holds[0].Owner, RetryAfter: retryGuess}
	for _, h := range holds {
		if !h.Until.IsZero() {
			e.RetryAfter = min(e.RetryAfter, max(time.Second, h.Until.Sub(m.now())))
		}
	}
	return e
}

// change replaces the holds by what f makes of the living ones, in the file first.
func (m *maintenance) change(f func([]Hold) []Hold) ([]Hold, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	holds := f(m.living())
	err := m.keep(holds)
	switch {
	case disk.IsFull(err):
		return nil, fmt.Errorf("%w: write %s: %w", ErrFull, maintenanceFile, err)
	case err != nil:
		return nil, fmt.Errorf("write %s: %w", maintenanceFile, err)
	}
	m.holds = holds
	return slices.Clone(holds), nil
}

// keep makes holds durable. Without any there is no file: leaving maintenance mode needs no room on the disk.
func (m *maintenance) keep(holds []Hold) error {
	if len(holds) == 0 {
		err := m.disk.Remove(maintenanceFile)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return errors.Join(err, m.disk.SyncDir("."))
	}
	b, err := json.Marshal(holds)
	if err != nil {
		return err
	}
	return disk.WriteWhole(m.disk, maintenanceFile, append(b, '\n'))
}

// EnableMaintenance makes new writes wait, for ttl or, if that is zero, until DisableMaintenance; what is under way
// finishes, reads go on. The same owner may call it again to renew its hold. It returns all holds.
func (n *Node) EnableMaintenance(owner string, ttl time.Duration) ([]Hold, error) {
	if ttl < 0 {
		return nil, fmt.Errorf("%w: ttl %v is negative", ErrInvalid, ttl)
	}
	h := Hold{Owner: ownerOr(owner), Since: n.opts.Now().UTC()}
	if ttl > 0 {
		h.Until = h.Since.Add(ttl)
	}
	return n.maintenance.change(func(holds []Hold) []Hold {
		for i := range holds {
			if holds[i].Owner == h.Owner {
				holds[i].Until = h.Until
				return holds
			}
		}
		return append(holds, h)
	})
}

// DisableMaintenance gives up the owner's hold, or all of them if force is set. It returns the holds that are left: while
// there are any the node stays in maintenance mode.
func (n *Node) DisableMaintenance(owner string, force bool) ([]Hold, error) {
	owner = ownerOr(owner)
	return n.maintenance.change(func(holds []Hold) []Hold {
		return slices.DeleteFunc(holds, func(h Hold) bool { return force || h.Owner == owner })
	})
}

// Maintenance returns the holds; none: the node takes writes.
func (n *Node) Maintenance() []Hold {
	n.maintenance.mu.RLock()
	defer n.maintenance.mu.RUnlock()
	return n.maintenance.living()
}

func ownerOr(owner string) string {
	if owner == "" {
		return DefaultOwner
	}
	return owner
}
