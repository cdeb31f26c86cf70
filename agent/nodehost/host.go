package nodehost

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/node"
	nodeapi "github.com/engramd/engramd/node/api"
	"github.com/engramd/engramd/node/threads"
)

// Options say which node is served, where and to whom.
type Options struct {
	Node    config.Node
	DataDir string // the node's own
	// Access is where it listens and who may use it; see [api.NewGate].
	Access api.Config
	// ListenKey is what chooses another address, for the error of a busy port: a flag or a key.
	ListenKey string
	// Memory is the memory policy of the process, which [Prepare] returned; the node shows it.
	Memory threads.MemoryPolicy
	Log    *slog.Logger
}

// A Host is an open node and the port on which it is served.
type Host struct {
	node     *node.Node
	listener net.Listener
	handler  http.Handler
	tls      *tls.Config
	log      *slog.Logger
	closing  sync.Once
	closed   error
}

// farewell is what requests under way get at the end. Docker kills after ten seconds, and the node has to
// end, too.
const farewell = 5 * time.Second

// Open takes the port, so that one that is busy is an error at once, and opens the node.
func Open(o Options) (*Host, error) {
	h := &Host{log: o.Log.With("component", "node")}
	if err := h.open(o); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

func (h *Host) open(o Options) error {
	if o.Access.Insecure && !api.Loopback(o.Access.Addr) {
		o.Access.Hosts = []string{api.AnyHost} // everybody may do everything, under whatever name they know us
	}
	gate, err := api.NewGate(o.Access, o.Log)
	if err != nil {
		return err
	}
	h.tls = gate.TLS()
	if h.listener, err = api.Listen(context.Background(), o.Access.Addr, o.ListenKey); err != nil {
		return err
	}
	started := time.Now()
	if h.node, err = node.Open(options(o, o.Log)); err != nil {
		return fmt.Errorf("open the memory node in %s: %w", o.DataDir, err)
	}
	if err := fits(h.node, o.Node.VectorDim); err != nil {
		return err
	}
	served := nodeapi.New(h.node, nodeapi.Options{Logger: o.Log})
	h.handler = gate.Guard(served, func(r *http.Request) api.Role { return roleOf(served.Needs(r)) })
	h.log.Info("memory node open", "dir", o.DataDir, "seconds", time.Since(started).Seconds())
	return nil
}

// options are the node's, of a configuration.
func options(o Options, log *slog.Logger) node.Options {
	n := o.Node
	opts := node.Options{
		DataDir: o.DataDir, Dimension: n.VectorDim, Tiers: n.Storage.TierPolicy.Policy(), HotBytes: n.HotBytes(),
		Threading: threads.Settings{
			SpreadingCores: n.Threading.SpreadingCores, ConsolidationCores: n.Threading.ConsolidationCores, APICores: n.Threading.APICores,
			PinThreads: n.Threading.PinThreads, CPUIsolation: n.Threading.CPUIsolation,
		},
		MemoryPolicy: o.Memory, Logger: log,
	}
	opts.Store.WAL.SegmentBytes, opts.Store.WAL.Retention = int64(n.Storage.WAL.SegmentSize), n.Storage.WAL.Retention
	opts.Snapshots = snapshotOptions(n.Storage.Snapshots)
	if iops := float64(n.Storage.DiskIOPS); iops > 0 {
		opts.DiskCeiling = func() (float64, string) { return iops, "configured" }
	}
	return opts
}

// snapshotOptions are by the clock on the wall here, as cron's.
func snapshotOptions(s config.NodeSnapshots) node.SnapshotOptions {
	o := node.SnapshotOptions{Schedule: s.Schedule, Location: time.Local, KeepLast: s.KeepLast, KeepWeekly: s.KeepWeekly, Archive: s.Archive}
	if s.KeepWeekly == 0 {
		o.KeepWeekly = -1 // to the node zero is the default
	}
	return o
}

// fits tells a dimension that was configured after another was settled: it would never be in force.
func fits(n *node.Node, dimension int) error {
	s, err := n.Store().Space(node.DefaultSpace)
	if err != nil || dimension == 0 {
		return nil // a damaged space is told by the node
	}
	if has := s.Dimension(); has != 0 && has != dimension {
		return fmt.Errorf("vector_dim is %d, and the vectors of the space %s have %d numbers, which never changes: set %d (or 0), and make another space for the others",
			dimension, node.DefaultSpace, has, has)
	}
	return nil
}

// Addr is where the node answers.
func (h *Host) Addr() string { return h.listener.Addr().String() }

// URL is where the node answers, as its clients write it.
func (h *Host) URL() string {
	scheme := "http://"
	if h.tls != nil {
		scheme = "https://"
	}
	return scheme + h.Addr()
}

// Node is the node itself, for what is told of it at the start.
func (h *Host) Node() *node.Node { return h.node }

// Run serves until ctx ends, lets what is under way finish for some seconds, and ends the node then. Its
// error says what ended it before.
func (h *Host) Run(ctx context.Context) error {
	serving, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	// The node outlives the server: what is under way still writes.
	running, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	over := make(chan error, 1)
	go func() {
		err := h.node.Run(running)
		if running.Err() == nil {
			if err == nil {
				err = errors.New("the node ended by itself")
			}
			stop(err)
		}
		over <- err
	}()
	srv := nodeapi.Server(h.handler, nodeapi.Limits{Logger: h.log})
	srv.TLSConfig = h.tls
	served := api.RunServer(serving, srv, h.listener, farewell)
	end()
	ended := <-over
	if served != nil {
		served = fmt.Errorf("serve the memory node: %w", served)
	}
	if cause := context.Cause(serving); ctx.Err() == nil && cause != nil {
		return fmt.Errorf("memory node: %w", cause)
	}
	return errors.Join(served, ended)
}

// Close gives back everything that Open opened. Run must have returned, or never have been called.
func (h *Host) Close() error {
	h.closing.Do(func() {
		var errs []error
		if h.listener != nil {
			if err := h.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
		if h.node != nil {
			errs = append(errs, h.node.Close())
		}
		h.closed = errors.Join(errs...)
	})
	return h.closed
}
