package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/engramd/engramd/node/disk"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
	"github.com/engramd/engramd/node/vector"
)

// The nouns of package record, under the names by which users of this package know them.
type (
	Memory = record.Memory
	Edge   = record.Edge
	Weight = record.Weight
)

// A Node is an open memory node. Its methods may be called from any goroutine, writes while Run runs.
type Node struct {
	opts        Options
	lock        *os.File
	disk        *disk.OS
	store       *store.Store
	maintenance *maintenance
	flights     flights
	closing     sync.Once
	closed      error
}

// Open reads the data directory, which is made if need be, and starts nothing.
func Open(opts Options) (*Node, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	n := &Node{opts: opts.withDefaults()}
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
	o := n.opts.Store
	o.FS, o.Views = n.disk, n.views
	if n.store, err = store.Open(o); err != nil {
		return err
	}
	if _, err := n.store.Space(DefaultSpace); errors.Is(err, ErrNoSpace) {
		_, err = n.store.Create(DefaultSpace, n.opts.Dimension)
		return err
	}
	return nil
}

// views makes the resident state of a space.
func (n *Node) views(_ *store.Space, dir string) ([]store.View, error) {
	vectors, err := vector.New(vector.Options{Dir: dir, Logger: n.opts.Logger})
	if err != nil {
		return nil, err
	}
	return []store.View{vectors}, nil
}

// Run does the node's work until ctx ends, finishes what is under way, and returns.
func (n *Node) Run(ctx context.Context) error { return n.store.Run(ctx) }

// Close lets go of all files. Run must have returned, or never have been called.
func (n *Node) Close() error {
	n.closing.Do(func() {
		var errs []error
		if n.store != nil {
			errs = append(errs, n.store.Close())
		}
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
