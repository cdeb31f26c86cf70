package demo

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/api"
	"github.com/engramd/engramd/node/threads"
	"github.com/engramd/engramd/testenv"
)

// served is a node in this process, with one worker for spreads.
func served(t *testing.T) (*node.Node, *crowd) {
	t.Helper()
	n, err := node.Open(node.Options{DataDir: t.TempDir(), Threading: threads.Settings{SpreadingWorkers: 1}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := api.Server(api.New(n, api.Options{}), api.Limits{})
	ctx, stop := context.WithCancel(context.Background())
	ran, over := make(chan error, 1), make(chan error, 1)
	go func() { ran <- n.Run(ctx) }()
	go func() { over <- server.Serve(l) }()
	c, err := newCrowd("http://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.close()
		server.Close()
		if err := <-over; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
		stop()
		if err := <-ran; err != nil {
			t.Error(err)
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n, c
}

// TestCrowd fills a node, finds a spread that one worker is not enough for, and holds what each phase relies on: how much
// waits follows from how many ask and how many are served.
func TestCrowd(t *testing.T) {
	n, c := served(t)
	if err := c.fill(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	st := n.Stats()
	if got := st.Spaces[0].Memories; got != memories || st.Spaces[0].Graph.Edges != memories*degree {
		t.Errorf("%d memories and %d edges, want %d and %d", got, st.Spaces[0].Graph.Edges, memories, memories*degree)
	}
	perSecond, err := c.measure(t.Context())
	if err != nil || perSecond <= 0 {
		t.Fatalf("%v spreads a second, %v", perSecond, err)
	}
	c.resize(t.Context(), 8*few, 0)
	testenv.Eventually(t, 20*time.Second, "nearly all of 24 wait for one worker", func() bool { return n.Stats().Spreading.QueueDepth > 4*few })
	c.resize(t.Context(), 0, 0)
	testenv.Eventually(t, 20*time.Second, "nobody waits once nobody asks", func() bool { s := n.Stats().Spreading; return s.QueueDepth == 0 && s.Busy == 0 })
	if err := c.fault(); err != nil {
		t.Error(err)
	}
}

// TestSpikeIsHot holds what the rebalancing relies on: new memories are hot beyond the ratio while somebody else than the node
// looks after the tiers.
func TestSpikeIsHot(t *testing.T) {
	n, c := served(t)
	if err := c.fill(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.node.ChangeEviction(t.Context(), api.EvictionChange{Owner: "a test"}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.node.EvictNow(t.Context()); err != nil {
		t.Fatal(err)
	}
	ratio := func() float64 {
		d := n.Stats().Tiers.Distribution
		return float64(d.Hot) / float64(d.Total)
	}
	if r := ratio(); r > 0.1 {
		t.Errorf("%.0f%% are hot at first", 100*r)
	}
	if err := c.spike(t.Context(), fresh); err != nil {
		t.Fatal(err)
	}
	if r := ratio(); r < 0.2 {
		t.Errorf("%.0f%% are hot after the spike", 100*r)
	}
}

// TestCrowdToleratesANodeThatRefuses asks on, tells the last fault, and ends at once.
func TestCrowdToleratesANodeThatRefuses(t *testing.T) {
	c, err := newCrowd("http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	c.ask.Store(&api.SpreadRequest{})
	c.resize(t.Context(), 3, 0)
	testenv.Eventually(t, 10*time.Second, "a client is refused", func() bool { return c.fault() != nil })
	c.close()
	if c.served.Load() != 0 {
		t.Error("nobody can have been served")
	}
}
