package agent

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/config"
)

// An observer asks a target's drivers what it has, once a collection, and remembers the answer for
// the loop, which never waits for a platform.
type observer struct {
	mu      sync.Mutex
	cfg     config.Target
	drivers map[string]actuators.Driver
	seen    map[string]sighting // by driver
}

// A sighting is the last answer of one driver.
type sighting struct {
	state actuators.State
	err   error
	at    time.Time
}

func newObserver(cfg config.Target, drivers map[string]actuators.Driver) *observer {
	return &observer{cfg: cfg, drivers: drivers, seen: map[string]sighting{}}
}

func (o *observer) reconfigure(cfg config.Target, drivers map[string]actuators.Driver) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.cfg, o.drivers = cfg, drivers
}

// observe asks every driver and returns the state of the one that holds the process.
func (o *observer) observe(ctx context.Context) (actuators.State, error) {
	o.mu.Lock()
	cfg, drivers := o.cfg, o.drivers
	o.mu.Unlock()
	var first sighting
	for i, name := range cfg.Drivers {
		d, ok := drivers[name]
		if !ok {
			continue
		}
		s := sighting{at: time.Now()}
		s.state, s.err = d.Observe(ctx, cfg.Target)
		o.mu.Lock()
		o.seen[name] = s
		o.mu.Unlock()
		if i == 0 {
			first = s
		}
	}
	return first.state, first.err
}

var errUnseen = errors.New("not observed yet")

// last returns what a driver said last.
func (o *observer) last(driver string) sighting {
	o.mu.Lock()
	defer o.mu.Unlock()
	s, ok := o.seen[driver]
	if !ok {
		s.err = errUnseen
	}
	return s
}
