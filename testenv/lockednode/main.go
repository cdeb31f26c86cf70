// Command lockednode is a memory node for tests whose spreads wait for one another: each holds one mutex, for a time that no core
// makes shorter. However many workers it has, it does no more spreads than one worker does.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/api"
	"github.com/engramd/engramd/node/threads"
)

func main() {
	dir := flag.String("data-dir", "", "directory of the data")
	listen := flag.String("listen", "", "where to answer, as host:port")
	hold := flag.Duration("hold", 8*time.Millisecond, "how long each spread holds the lock at least")
	flag.Parse()
	if err := run(*dir, *listen, *hold); err != nil {
		fmt.Fprintln(os.Stderr, "lockednode:", err)
		os.Exit(1)
	}
}

func run(dir, listen string, hold time.Duration) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	n, err := node.Open(node.Options{
		DataDir: dir, Threading: threads.Settings{SpreadingWorkers: 1}, SpreadLock: &held{least: hold}, Logger: log,
	})
	if err != nil {
		return err
	}
	defer func() {
		if closed := n.Close(); err == nil {
			err = closed
		}
	}()
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	server := api.Server(api.New(n, api.Options{Logger: log}), api.Limits{Logger: log})
	var served sync.WaitGroup
	served.Go(func() { _ = server.Serve(l) }) // until it is closed
	err = n.Run(ctx)
	_ = server.Close()
	served.Wait()
	return err
}

// held is a mutex that is held for a while, as one is over a write to a disk.
type held struct {
	sync.Mutex
	least time.Duration
}

func (h *held) Lock() {
	h.Mutex.Lock()
	<-time.After(h.least)
}
