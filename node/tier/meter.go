package tier

import (
	"sync"
	"time"
)

const (
	meterEvery = 10 * time.Second
	meterKeep  = 7 // samples: rates are over the last minute
)

type moves [tiers][tiers]uint64

// A meter turns sums into rates a second, over the last minute.
type meter struct {
	mu      sync.Mutex
	samples []metered
}

type metered struct {
	at  time.Time
	sum moves
}

func (m *meter) sample(now time.Time, sum moves) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.samples = append(m.samples, metered{now, sum})
	if len(m.samples) > meterKeep {
		m.samples = m.samples[1:]
	}
}

// rate returns how many a second moved since the oldest sample.
func (m *meter) rate(now time.Time, sum moves, from, to Tier) float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.samples) == 0 {
		return 0
	}
	first := m.samples[0]
	seconds := now.Sub(first.at).Seconds()
	if seconds <= 0 || sum[from][to] < first.sum[from][to] {
		return 0
	}
	return float64(sum[from][to]-first.sum[from][to]) / seconds
}

// moves returns the sums of all spaces since the start, those that are gone included.
func (t *Tiers) moves() moves {
	t.mu.Lock()
	defer t.mu.Unlock()
	sum := t.gone
	for _, v := range t.views {
		_, _, m := v.books.snapshot()
		sum.add(m)
	}
	return sum
}

func (m *moves) add(o moves) {
	for from := range o {
		for to := range o[from] {
			m[from][to] += o[from][to]
		}
	}
}
