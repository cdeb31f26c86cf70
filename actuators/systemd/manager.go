package systemd

import (
	"context"
	"errors"
	"sync"
	"time"

	systemd "github.com/coreos/go-systemd/v22/dbus"
)

// How long one call may take.
const (
	readTimeout   = 15 * time.Second
	changeTimeout = 60 * time.Second // a reload runs all generators
)

// A manager is one systemd, reached through a connection that is made anew when it broke.
type manager struct {
	user bool
	dial func(ctx context.Context, user bool) (bus, error)

	mu sync.Mutex
	b  bus // nil before the first call and after one that broke
}

func (m *manager) open(ctx context.Context) (bus, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.b != nil && m.b.Connected() {
		return m.b, nil
	}
	if m.b != nil {
		m.b.Close()
		m.b = nil
	}
	b, err := m.dial(ctx, m.user)
	if err != nil {
		return nil, err
	}
	m.b = b
	return b, nil
}

func (m *manager) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.b != nil {
		m.b.Close()
		m.b = nil
	}
}

// call makes one call, bounded in time.
func (m *manager) call(ctx context.Context, doing string, bound time.Duration, fn func(ctx context.Context, b bus) error) error {
	bounded, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	if bounded.Err() != nil {
		return fault(doing, context.Cause(bounded))
	}
	b, err := m.open(bounded)
	if err == nil {
		err = fn(bounded, b)
	}
	if err != nil && bounded.Err() != nil { // a connection that was closed under the dial says nothing of why
		err = errors.Join(context.Cause(bounded), err)
	}
	return fault(doing, err)
}

func (m *manager) about(ctx context.Context) (a about, err error) {
	err = m.call(ctx, "connect to systemd", readTimeout, func(_ context.Context, b bus) error {
		a = b.About()
		return nil
	})
	return a, err
}

func (m *manager) unit(ctx context.Context, name string) (u unit, err error) {
	err = m.call(ctx, "look at "+name, readTimeout, func(ctx context.Context, b bus) error {
		properties, err := b.Unit(ctx, name)
		u = unitOf(name, properties)
		return err
	})
	return u, err
}

func (m *manager) units(ctx context.Context) (all []systemd.UnitStatus, err error) {
	err = m.call(ctx, "list the units", readTimeout, func(ctx context.Context, b bus) error {
		all, err = b.Units(ctx)
		return err
	})
	return all, err
}

// set changes properties at once, and writes them to 50-NAME.conf.
func (m *manager) set(ctx context.Context, name string, runtime bool, settings ...setting) error {
	if len(settings) == 0 {
		return nil
	}
	var properties []systemd.Property
	for _, s := range settings {
		p, err := property(s.Key, s.Value)
		if err != nil {
			return err
		}
		properties = append(properties, p)
	}
	return m.call(ctx, "set properties of "+name, changeTimeout, func(ctx context.Context, b bus) error {
		return b.Set(ctx, name, runtime, properties)
	})
}

// reload has the manager read all unit files again.
func (m *manager) reload(ctx context.Context) error {
	return m.call(ctx, "reload the unit files", changeTimeout, func(ctx context.Context, b bus) error { return b.Reload(ctx) })
}
