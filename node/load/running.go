package load

import (
	"context"
	"errors"
	"fmt"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/graph"
	"github.com/engramd/engramd/node/store"
	"github.com/engramd/engramd/node/tier"
)

// A running is a node that runs.
type running struct {
	*node.Node
	space *store.Space
	graph *graph.Graph
	tiers *tier.View
	stop  func() error
}

// run opens a node and runs it until stop is called, which closes it.
func run(ctx context.Context, o node.Options) (*running, error) {
	n, err := node.Open(o)
	if err != nil {
		return nil, err
	}
	r := &running{Node: n}
	if r.space, err = n.Store().Space(node.DefaultSpace); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	for _, v := range r.space.Views() {
		switch v := v.(type) {
		case *graph.Graph:
			r.graph = v
		case *tier.View:
			r.tiers = v
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	ran := make(chan error, 1)
	go func() { ran <- n.Run(ctx) }()
	r.stop = func() error {
		cancel()
		return errors.Join(<-ran, n.Close())
	}
	return r, nil
}

// with runs f with a node, and closes it.
func with(ctx context.Context, o node.Options, f func(*running) error) error {
	r, err := run(ctx, o)
	if err != nil {
		return fmt.Errorf("open the node: %w", err)
	}
	return errors.Join(f(r), r.stop())
}
