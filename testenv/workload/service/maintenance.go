package service

import (
	"errors"
	"sync"
	"time"
)

var errOtherOwner = errors.New("maintenance belongs to another owner")

// Maintenance refuses new writes while it is on, and counts what is in flight. An owner may renew its ttl; another owner
// can neither take it over nor end it, but a caller that names no owner (a person with curl) can end anyone's.
type maintenance struct {
	now func() time.Time

	mu       sync.Mutex
	enabled  bool
	owner    string
	since    time.Time
	expires  time.Time // zero: never
	inFlight map[string]int
}

// Status is the answer of GET /api/v1/admin/maintenance.
type Status struct {
	Enabled        bool       `json:"enabled"`
	Owner          string     `json:"owner,omitempty"`
	Since          *time.Time `json:"since,omitempty"`
	ExpiresAt      *time.Time `json:"expires_at,omitempty"`
	InFlightWrites int        `json:"in_flight_writes"`
}

func newMaintenance(now func() time.Time) *maintenance {
	return &maintenance{now: now, inFlight: map[string]int{"read": 0, "write": 0}}
}

func (m *maintenance) enable(owner string, ttl time.Duration) (Status, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire()
	if m.enabled && m.owner != owner {
		return m.status(), errOtherOwner
	}
	if !m.enabled {
		m.enabled, m.owner, m.since = true, owner, m.now()
	}
	m.expires = time.Time{}
	if ttl > 0 {
		m.expires = m.now().Add(ttl)
	}
	return m.status(), nil
}

func (m *maintenance) disable(owner string) (Status, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire()
	if m.enabled && owner != "" && m.owner != owner {
		return m.status(), errOtherOwner
	}
	m.enabled = false
	return m.status(), nil
}

func (m *maintenance) get() Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire()
	return m.status()
}

// admit counts an operation in, unless it is a write in maintenance. After enable has returned, no write is admitted.
func (m *maintenance) admit(kind string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire()
	if m.enabled && kind == "write" {
		return false
	}
	m.inFlight[kind]++
	return true
}

// finish counts an admitted operation out.
func (m *maintenance) finish(kind string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.inFlight[kind]--
}

func (m *maintenance) running(kind string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.inFlight[kind]
}

// expire ends maintenance whose ttl is over. The caller holds mu.
func (m *maintenance) expire() {
	if m.enabled && !m.expires.IsZero() && !m.now().Before(m.expires) {
		m.enabled = false
	}
}

// status describes the state. The caller holds mu.
func (m *maintenance) status() Status {
	s := Status{Enabled: m.enabled, InFlightWrites: m.inFlight["write"]}
	if m.enabled {
		since := m.since
		s.Owner, s.Since = m.owner, &since
		if expires := m.expires; !expires.IsZero() {
			s.ExpiresAt = &expires
		}
	}
	return s
}
