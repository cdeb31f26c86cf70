package tier

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// Node is the owner of the settings where nobody else is.
const Node = "node"

// ErrOwned is wrapped by the refusal of a change while somebody else owns the settings.
var ErrOwned = errors.New("the eviction settings belong to somebody else")

// A Change is a wish to change settings; what is nil stays as it is.
type Change struct {
	Enabled           *bool
	HotThreshold      *float64
	WarmThreshold     *float64
	HotMaxRatio       *float64
	WarmMaxRatio      *float64
	HotEvery          *time.Duration
	WarmEvery         *time.Duration
	HighThreshold     *float64
	CriticalThreshold *float64
	HotBytes          *int64
	// Owner, if not empty, takes the settings into its own hands: it sweeps, and the node only at critical pressure. Without it the
	// values change and the owner does not. [Node] gives them back, with the configured values where the change has none.
	Owner string
	// TTL is when the ownership ends, and the configured values return, unless it is renewed; zero is never. It goes with Owner.
	TTL time.Duration
}

// Settings are what is in force.
type Settings struct {
	Policy   Policy
	HotBytes int64
	Owner    string
	Since    time.Time // when the owner took them; zero: it is the node
	Until    time.Time // zero: for ever
}

// admission is the policy by which an access makes a memory hot. Whoever owns the settings looks after the ratio; then only the bytes
// of the copies bound it here.
func (s Settings) admission() Policy {
	p := s.Policy
	if s.Owner != Node {
		p.Hot.MaxRatio = 1
	}
	return p
}

// A keeper keeps the settings and what they return to.
type keeper struct {
	mu         sync.Mutex
	configured Settings
	now        Settings
}

func newKeeper(p Policy, hotBytes int64) *keeper {
	s := Settings{Policy: p, HotBytes: hotBytes, Owner: Node}
	return &keeper{configured: s, now: s}
}

// get returns the settings at a time.
func (k *keeper) get(at time.Time) Settings {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.expire(at)
	return k.now
}

// expire gives the settings back when their time is over. k is locked.
func (k *keeper) expire(at time.Time) {
	if !k.now.Until.IsZero() && !at.Before(k.now.Until) {
		k.now = k.configured
	}
}

// change returns the new settings, or refuses all of c.
func (k *keeper) change(c Change, at time.Time) (Settings, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.expire(at)
	next := k.now
	switch {
	case c.TTL < 0 || c.TTL > 0 && (c.Owner == "" || c.Owner == Node):
		return k.now, fmt.Errorf("%w: a ttl of %v needs an owner", ErrPolicy, c.TTL)
	case c.Owner == "":
	case k.now.Owner != Node && c.Owner != k.now.Owner && c.Owner != Node:
		return k.now, fmt.Errorf("%w: %s, %s", ErrOwned, k.now.Owner, until(k.now.Until))
	case c.Owner == Node:
		next = k.configured
	default:
		if next.Owner != c.Owner {
			next.Since = at
		}
		next.Owner, next.Until = c.Owner, time.Time{}
		if c.TTL > 0 {
			next.Until = at.Add(c.TTL)
		}
	}
	c.apply(&next)
	if err := next.Policy.Validate(); err != nil {
		return k.now, err
	}
	if next.HotBytes < 0 {
		return k.now, fmt.Errorf("%w: hot_tier_size %d is negative", ErrPolicy, next.HotBytes)
	}
	k.now = next
	return next, nil
}

func until(t time.Time) string {
	if t.IsZero() {
		return "until it gives them back"
	}
	return "until " + t.UTC().Format(time.RFC3339)
}

func (c Change) apply(s *Settings) {
	assign(&s.Policy.Enabled, c.Enabled)
	assign(&s.Policy.Hot.Threshold, c.HotThreshold)
	assign(&s.Policy.Warm.Threshold, c.WarmThreshold)
	assign(&s.Policy.Hot.MaxRatio, c.HotMaxRatio)
	assign(&s.Policy.Warm.MaxRatio, c.WarmMaxRatio)
	assign(&s.Policy.Hot.Every, c.HotEvery)
	assign(&s.Policy.Warm.Every, c.WarmEvery)
	assign(&s.Policy.Pressure.High, c.HighThreshold)
	assign(&s.Policy.Pressure.Critical, c.CriticalThreshold)
	assign(&s.HotBytes, c.HotBytes)
}

// assign sets *dst if there is a value.
func assign[T any](dst, value *T) {
	if value != nil {
		*dst = *value
	}
}
