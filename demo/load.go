package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/engramd/engramd/node/api"
	"github.com/engramd/engramd/node/load"
	"github.com/engramd/engramd/node/spread"
)

const (
	// memories there are at first, with degree edges each.
	memories = 12_000
	degree   = 20
	// age of what is there at first: nobody has thought of it for weeks.
	age = 30 * 24 * time.Hour
)

// A crowd is the load: clients of the node, each of which asks for a spread, waits for the answer, and asks
// again.
type crowd struct {
	node   *api.Client
	from   load.Generator
	ask    atomic.Pointer[api.SpreadRequest] // what everybody asks, but for the seed
	served atomic.Int64
	failed atomic.Pointer[error]

	mu      sync.Mutex
	clients []context.CancelFunc
	running sync.WaitGroup
}

func newCrowd(url string) (*crowd, error) {
	c, err := api.NewClient(url, api.ClientOptions{})
	if err != nil {
		return nil, err
	}
	return &crowd{node: c, from: load.Generator{Seed: 1, Memories: memories, Degree: degree, ContentBytes: 100}}, nil
}

// close ends all clients and joins them.
func (c *crowd) close() {
	c.mu.Lock()
	for _, stop := range c.clients {
		stop()
	}
	c.clients = nil
	c.mu.Unlock()
	c.running.Wait()
	c.node.Close()
}

// fill imports the memories of long ago and their edges.
func (c *crowd) fill(ctx context.Context, now time.Time) error {
	var lines bytes.Buffer
	for i := range c.from.Memories {
		m := c.from.Memory(i)
		if err := line(&lines, api.Line{NewMemory: api.NewMemory{ID: m.ID, Content: m.Content, CreatedAt: now.Add(-age)}}); err != nil {
			return err
		}
	}
	for i := range c.from.Memories {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		for _, e := range c.from.Edges(i) {
			weight := e.Weight.Float64()
			if err := line(&lines, api.Line{From: e.From, To: e.To, Weight: &weight}); err != nil {
				return err
			}
		}
	}
	return c.load(ctx, &lines)
}

// spike imports n memories of this moment: they are all hot.
func (c *crowd) spike(ctx context.Context, n int) error {
	var lines bytes.Buffer
	from := load.Generator{Seed: 2, Memories: n, ContentBytes: 100}
	seen := &api.Access{Activation: 1, Count: 1, LastAt: time.Now()}
	for i := range n {
		m := from.Memory(i)
		if err := line(&lines, api.Line{NewMemory: api.NewMemory{ID: m.ID, Content: m.Content, Access: seen}}); err != nil {
			return err
		}
	}
	return c.load(ctx, &lines)
}

func line(b *bytes.Buffer, l api.Line) error {
	text, err := json.Marshal(l)
	b.Write(append(text, '\n'))
	return err
}

func (c *crowd) load(ctx context.Context, lines *bytes.Buffer) error {
	r, err := c.node.Import(ctx, "", lines, api.ImportOptions{Strict: true, Failed: true}, nil)
	if err != nil {
		return fmt.Errorf("import memories into the demo's node: %w", err)
	}
	if r.ImportCounts != nil && r.Failed > 0 {
		return fmt.Errorf("import memories into the demo's node: %d of them were refused", r.Failed)
	}
	return nil
}

const (
	// few clients make two spreads wait for one worker at most, and one for two.
	few = 3
	// waiting is how many wait on the average once a spread takes long enough.
	waiting = 1.7
)

// measure finds a spread that takes so long on this machine that one worker is not enough for a few clients, by
// what waits for it. Where the way to the node takes as long as a spread, less waits; then a spread gets more to do.
func (c *crowd) measure(ctx context.Context) error {
	none := 0.0
	c.resize(ctx, 0, 0)
	defer c.resize(ctx, 0, 0)
	for hops := 4; ; hops += 2 {
		c.ask.Store(&api.SpreadRequest{Limit: 10, SpreadOptions: api.SpreadOptions{Hops: hops, FanOut: degree, Threshold: &none, Decay: 0.9}})
		c.resize(ctx, few, 0)
		deep, err := c.depth(ctx)
		if err != nil {
			return fmt.Errorf("measure what one worker can do: %w", err)
		}
		if deep >= waiting || hops >= spread.MaxHops {
			return nil
		}
	}
}

// depth is how many spreads wait for a worker, on the average of half a second.
func (c *crowd) depth(ctx context.Context) (float64, error) {
	const samples = 25
	sum := 0
	for range samples {
		select {
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
		now, err := c.node.Threading(ctx)
		if err != nil {
			return 0, err
		}
		sum += now.Spreading.QueueDepth
	}
	return float64(sum) / samples, nil
}

func (c *crowd) spread(ctx context.Context) error {
	in := *c.ask.Load()
	in.Seeds = []api.Seed{{ID: c.from.ID(rand.IntN(c.from.Memories))}}
	_, err := c.node.Spread(ctx, in)
	return err
}

// resize makes the crowd n clients, who pause for a while between an answer and the next question.
func (c *crowd) resize(ctx context.Context, n int, pause time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, stop := range c.clients {
		stop()
	}
	c.clients = nil
	for range n {
		ctx, stop := context.WithCancel(ctx)
		c.clients = append(c.clients, stop)
		c.running.Go(func() { c.client(ctx, pause) })
	}
}

// client asks until ctx ends. What a client is refused because the node is busy, it asks again.
func (c *crowd) client(ctx context.Context, pause time.Duration) {
	for ctx.Err() == nil {
		err := c.spread(ctx)
		wait := pause
		switch {
		case err == nil:
			c.served.Add(1)
		case ctx.Err() != nil:
			return
		default:
			c.failed.Store(new(err))
			wait = max(wait, 100*time.Millisecond)
		}
		if wait > 0 {
			select {
			case <-ctx.Done():
			case <-time.After(wait):
			}
		}
	}
}

// fault is the last thing that the node refused since it was asked before, nil if it refused nothing.
func (c *crowd) fault() error {
	if err := c.failed.Swap(nil); err != nil && !errors.Is(*err, context.Canceled) {
		return *err
	}
	return nil
}
