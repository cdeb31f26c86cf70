package docker

import (
	"fmt"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// minMemory is the smallest limit and reservation that Docker accepts.
const minMemory = 6 << 20

// memorySetting is a memory limit as Docker holds it, with what must move along.
type memorySetting struct {
	Memory      int64 `json:"memory"`      // 0 is unset
	Swap        int64 `json:"swap"`        // memory and swap together; 0 is unset, -1 unlimited
	Reservation int64 `json:"reservation"` // 0 is unset, -1 none
}

func memoryOf(h hostConfig) memorySetting {
	return memorySetting{h.Memory, h.MemorySwap, h.MemoryReservation}
}

func (m memorySetting) quantity() policy.Quantity {
	switch {
	case m.Memory > 0:
		return policy.Amount(m.Memory)
	case m.Memory < 0:
		return policy.Unlimited()
	}
	return policy.Quantity{}
}

func (m memorySetting) unlimitedSwap() bool { return m.Swap < 0 || m.Memory <= 0 }

// resized returns the setting for a limit of to, with swap and reservation as options say.
func (m memorySetting) resized(to policy.Quantity, o policy.MemoryOptions) memorySetting {
	n, limited := to.Amount()
	if !limited {
		// Without a limit there is nothing for swap to be counted on.
		return memorySetting{0, 0, max(0, m.Reservation)}
	}
	return memorySetting{n, m.swapFor(n, o.Swap), m.reservationFor(n, o.Reservation)}
}

func (m memorySetting) swapFor(n int64, mode policy.Swap) int64 {
	switch {
	case mode == policy.SwapNone:
		return n
	case m.unlimitedSwap():
		return -1
	case m.Swap == 0: // this kernel does not count swap
		return 0
	case mode == policy.SwapKeepRatio:
		return max(n, int64(float64(n)*(float64(m.Swap)/float64(m.Memory))))
	}
	return n + max(0, m.Swap-m.Memory)
}

// reservationFor keeps the reservation at or below the limit: a container with more refuses to start
// the next time, and nobody would have been told.
func (m memorySetting) reservationFor(n int64, fraction float64) int64 {
	switch {
	case fraction > 0:
		return min(n, max(minMemory, int64(float64(n)*fraction)))
	case m.Reservation > 0:
		return min(n, m.Reservation)
	}
	return m.Reservation
}

// back is the setting whose update gives m back after one to now. A reservation that was unset before
// is cleared with -1, since 0 means to leave it.
func (m memorySetting) back(now memorySetting) memorySetting {
	if m.Reservation == 0 && now.Reservation > 0 {
		m.Reservation = -1
	}
	return m
}

func (m memorySetting) String() string {
	if m.Memory <= 0 {
		return "unlimited memory"
	}
	return "memory " + policy.Memory.Format(policy.Amount(m.Memory))
}

// checkMemory refuses what the daemon or the host cannot give.
func checkMemory(f facts, to policy.Quantity) error {
	n, limited := to.Amount()
	if !limited {
		return nil
	}
	bytes := policy.Memory.Format
	if n < minMemory {
		return fmt.Errorf("%w: %s of memory for %s: the smallest limit that Docker accepts is 6Mi", actuators.ErrRefused, bytes(to), f.Name)
	}
	if parent, ok := f.MemoryCeiling.Amount(); ok && n > parent {
		return fmt.Errorf("%w: %s of memory for %s: its parent cgroup allows only %s; raise that first",
			actuators.ErrRefused, bytes(to), f.Name, bytes(f.MemoryCeiling))
	}
	return nil
}
