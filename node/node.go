package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/engramd/engramd/node/disk"
	"github.com/engramd/engramd/node/metrics"
	"github.com/engramd/engramd/node/pressure"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
	"github.com/engramd/engramd/node/tier"
)

// The nouns of package record, under the names by which users of this package know them.
type (
	Memory = record.Memory
	Edge   = record.Edge
	Weight = record.Weight
)

// A Node is an open memory node. Its methods may be called from any goroutine, writes while Run runs.
type Node struct {
	opts          Options
	lock          *os.File
	disk          *disk.OS
	gauge         *pressure.Gauge
	tiers         *tier.Tiers
	store         *store.Store
	graphs        graphs
	workers       workers
	metrics       *metrics.Metrics
	learner       learner
	consolidation consolidation
	rounds        rhythm       // of consolidation
	linking       sync.RWMutex // held by who sets weights, exclusively by who reckons new ones from what is there
	maintenance   *maintenance
	snapshots     snapshots
	spaces        spaces
	flights       flights
	closing       sync.Once
	closed        error
}

// Open reads the data directory, which is made if need be, and starts nothing.
func Open(opts Options) (*Node, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	n := &Node{opts: opts.withDefaults(), spaces: spaces{token: make(chan struct{}, 1)}}
	n.rounds.set(n.opts.ConsolidateEvery)
	if err := n.open(); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

func (n *Node) open() (err error) {
	if n.disk, err = disk.NewOS(n.opts.DataDir); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	if n.lock, err = lock(n.opts.DataDir); err != nil {
		return err
	}
	if n.maintenance, err = readMaintenance(n.disk, n.opts.Now); err != nil {
		return err
	}
	if err = n.openSnapshots(); err != nil {
		return err
	}
	if err = n.openTiers(); err != nil {
		return err
	}
	n.openMetrics()
	if err = n.workers.open(n.opts); err != nil {
		return err
	}
	o := n.opts.Store
	o.FS, o.Views = n.disk, n.newViews
	if n.store, err = store.Open(o); err != nil {
		return err
	}
	if _, err := n.store.Space(DefaultSpace); errors.Is(err, ErrNoSpace) {
		_, err = n.store.Create(DefaultSpace, n.opts.Dimension)
		return err
	}
	return nil
}

// gaugeEvery is how often memory is looked at: an import fills a hundred megabytes a second.
const gaugeEvery = 500 * time.Millisecond

// openTiers makes what looks after memory. The first sample comes before the store is read, so that a process that is near the end of its
// memory already makes nothing hot.
func (n *Node) openTiers() (err error) {
	n.gauge = pressure.New(pressure.Options{Every: gaugeEvery, Thresholds: n.opts.Tiers.Pressure, Logger: n.opts.Logger})
	n.tiers, err = tier.New(tier.Options{
		Policy: n.opts.Tiers, HotBytes: n.opts.HotBytes, Pressure: n.gauge, Logger: n.opts.Logger, Now: n.opts.Now,
	})
	return err
}

// Run does the node's work until ctx ends, finishes what is under way, and returns. The store goes last, so that whoever finishes can
// still write.
func (n *Node) Run(ctx context.Context) error {
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	stored := make(chan error, 1)
	go func() { stored <- n.store.Run(background) }()
	var wg sync.WaitGroup
	for _, run := range []func(context.Context) error{
		n.gauge.Run, n.tiers.Run, n.graphs.run, n.runLearning, n.runConsolidation, n.runSnapshots, n.runScrub,
		n.workers.threads.Run, n.metrics.Run,
	} {
		wg.Go(func() {
			if err := run(ctx); err != nil && ctx.Err() == nil {
				n.opts.Logger.Error("a loop of the node ended", "error", err)
			}
		})
	}
	wg.Wait()
	stop()
	return <-stored
}

// Close lets go of all files. Run must have returned, or never have been called.
func (n *Node) Close() error {
	n.closing.Do(func() {
		var errs []error
		errs = append(errs, n.workers.close())
		if n.store != nil {
			errs = append(errs, n.store.Close())
		}
		if n.tiers != nil {
			n.tiers.Close()
		}
		errs = append(errs, n.snapshots.close())
		if n.disk != nil {
			errs = append(errs, n.disk.Close())
		}
		if n.lock != nil {
			errs = append(errs, n.lock.Close())
		}
		n.closed = errors.Join(errs...)
	})
	return n.closed
}

// Store returns the store below, for those who need more than this package offers.
func (n *Node) Store() *store.Store { return n.store }

// Tiers returns the tiers of all spaces: settings, sweeps, statistics.
func (n *Node) Tiers() *tier.Tiers { return n.tiers }
