package node

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/engramd/engramd/node/pressure"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
	"github.com/engramd/engramd/node/threads"
	"github.com/engramd/engramd/node/tier"
)

// DefaultSpace is the space that is always there.
const DefaultSpace = "default"

// Options of a node. Zero values are defaults; DataDir is needed.
type Options struct {
	DataDir   string
	Dimension int // of the vectors of the default space when it is made; 0: that of its first vector
	Store     store.Options
	// Tiers is the tier policy; tier.DefaultPolicy if zero.
	Tiers tier.Policy
	// HotBytes is the heap that copies of hot memories may take; zero is a quarter of what the process may use, negative none.
	HotBytes int64
	// Threading is how many workers there are and which cores they are kept to. It can be changed while the node runs.
	Threading threads.Settings
	// SpreadQueue is how many spreads may wait for a worker; 1,024.
	SpreadQueue int
	// SpreadLock, if there is one, is held by each spread while a worker has it: only tests of what a lock costs set it.
	SpreadLock sync.Locker
	// MemoryPolicy is that of the process, to be shown; see threads.ApplyMemoryPolicy.
	MemoryPolicy threads.MemoryPolicy
	Snapshots    SnapshotOptions
	// DiskCeiling returns how many operations a second the disk can do and who says so; nil: nobody.
	DiskCeiling func() (iops float64, source string)
	// ScrubEvery is how often everything that is stored is read again and checked; a day.
	ScrubEvery time.Duration
	// ConsolidateEvery is how often a space in which something has changed is consolidated; 5 minutes. Negative: only when asked.
	ConsolidateEvery time.Duration
	Logger           *slog.Logger
	// Now is the clock; time.Now.
	Now func() time.Time
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.ConsolidateEvery == 0 {
		o.ConsolidateEvery = 5 * time.Minute
	}
	if o.ScrubEvery <= 0 {
		o.ScrubEvery = 24 * time.Hour
	}
	if o.Tiers == (tier.Policy{}) {
		o.Tiers = tier.DefaultPolicy()
	}
	o.Snapshots = o.Snapshots.withDefaults()
	o.Store.Logger, o.Store.Now = o.Logger, o.Now
	if o.HotBytes != 0 && o.Store.MemoryLimit != 0 {
		o.HotBytes = max(0, o.HotBytes)
		return o
	}
	limit := int64(0)
	if r, err := (pressure.System{}).Read(); err == nil {
		limit = r.LimitBytes()
	}
	if o.Store.MemoryLimit == 0 {
		o.Store.MemoryLimit = limit
	}
	if o.HotBytes == 0 {
		o.HotBytes = limit / 4
	}
	o.HotBytes = max(0, o.HotBytes)
	return o
}

// Validate reports all faults of o.
func (o Options) Validate() error {
	var errs []error
	if o.DataDir == "" {
		errs = append(errs, errors.New("data directory: is not set"))
	}
	if o.Dimension < 0 || o.Dimension > record.MaxDimension {
		errs = append(errs, fmt.Errorf("dimension: %d is outside 0 to %d", o.Dimension, record.MaxDimension))
	}
	if o.SpreadQueue < 0 {
		errs = append(errs, fmt.Errorf("spread queue: %d is negative", o.SpreadQueue))
	}
	errs = append(errs, o.Snapshots.validate())
	return errors.Join(errs...)
}
