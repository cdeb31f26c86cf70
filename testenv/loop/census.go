package loop

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/engramd/engramd/testenv/docker"
)

// A Census counts, over and over, the containers that are one service: the one with its name, and what a recreate has put
// aside beside it. There must never be two that run, and never none.
type Census struct {
	mu     sync.Mutex
	counts int
	faults []string
}

// censusEvery is how often a census counts.
const censusEvery = 20 * time.Millisecond

// Count counts the containers of these services on an engine until the test ends. While the engine does not answer nothing
// is counted.
func Count(t testing.TB, d *docker.Daemon, services ...string) *Census {
	c := &Census{}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(censusEvery)
		defer tick.Stop()
		for {
			bounded, cancel := context.WithTimeout(ctx, 10*time.Second)
			found, err := d.Client().ContainerList(bounded, client.ContainerListOptions{All: true})
			cancel()
			if err == nil {
				c.take(found.Items, services)
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	return c
}

func (c *Census) take(all []container.Summary, services []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts++
	for _, service := range services {
		var there, running []string
		for _, one := range all {
			name := strings.TrimPrefix(slices.Concat(one.Names, []string{"/"})[0], "/")
			if name != service && !strings.HasPrefix(name, service+".") {
				continue
			}
			there = append(there, name)
			if one.State == container.StateRunning {
				running = append(running, name)
			}
		}
		if len(there) == 0 || len(running) > 1 {
			c.faults = append(c.faults, fmt.Sprintf("%s %s: there are %v, and %v run", time.Now().Format(time.TimeOnly), service, there, running))
		}
	}
}

// Expect fails the test if there ever were two that ran, or none at all.
func (c *Census) Expect(t testing.TB) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.faults) > 0 {
		t.Errorf("in %d of %d counts, first: %s", len(c.faults), c.counts, c.faults[0])
	}
	if c.counts == 0 {
		t.Error("nothing was ever counted")
	}
}
