package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
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
	c.from.Memories = 3000
	if err := c.fill(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	st := n.Stats()
	if got := st.Spaces[0].Memories; got != 3000 || st.Spaces[0].Graph.Edges != 3000*degree {
		t.Errorf("%d memories and %d edges, want %d and %d", got, st.Spaces[0].Graph.Edges, 3000, 3000*degree)
	}
	if err := c.measure(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c.served.Load() == 0 {
		t.Error("nobody was served")
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
	c.from.Memories = 2000
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
	if err := c.spike(t.Context(), 1000); err != nil {
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

// TestDedicate gives spreads cores, and goes on where they cannot be had.
func TestDedicate(t *testing.T) {
	for name, c := range map[string]struct {
		allowed  string
		refuse   func(change string) bool
		cores    int
		last     string
		complain string
	}{
		"four cores":   {"[0,1,2,3]", nil, 2, `{"spreading_workers":1,"spreading_cores":[0,1],"api_cores":[2,3],"pin_threads":true,"gomaxprocs":8}`, ""},
		"one core":     {"[5]", nil, 1, `{"spreading_workers":1,"spreading_cores":[5],"pin_threads":true,"gomaxprocs":8}`, ""},
		"not pinned":   {"[0,1,2]", func(s string) bool { return strings.Contains(s, "pin_threads") }, 3, `{"spreading_workers":1,"gomaxprocs":8}`, ""},
		"nothing goes": {"[0,1]", func(string) bool { return true }, 0, "", "dedicate cores"},
	} {
		t.Run(name, func(t *testing.T) {
			last := ""
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost {
					body, _ := io.ReadAll(r.Body)
					if c.refuse != nil && c.refuse(string(body)) {
						w.WriteHeader(http.StatusConflict)
						return
					}
					last = string(body)
				}
				fmt.Fprintf(w, `{"topology":{"allowed":%s}}`, c.allowed)
			}))
			defer server.Close()
			client, err := api.NewClient(server.URL, api.ClientOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			cores, err := dedicate(t.Context(), client)
			if cores != c.cores || last != c.last || (err == nil) != (c.complain == "") || err != nil && !strings.Contains(err.Error(), c.complain) {
				t.Errorf("%d cores by %s, %v", cores, last, err)
			}
		})
	}
}
