package transfer

import (
	"sync"
	"time"
)

// A Progress is how far a transfer is.
type Progress struct {
	Lines   int           // that are done, those of an earlier run included
	Bytes   int64         // of the file as it is stored
	Of      int64         // of them, all; 0: not known
	Elapsed time.Duration // of this run
	run     int           // lines of this run
}

// PerSecond is how many lines a second this run did.
func (p Progress) PerSecond() float64 {
	if p.Elapsed <= 0 {
		return 0
	}
	return float64(p.run) / p.Elapsed.Seconds()
}

// Remaining is how long the rest will take at the pace until now; false if that is not known.
func (p Progress) Remaining() (time.Duration, bool) {
	if p.Of == 0 || p.Bytes == 0 || p.Elapsed < time.Second {
		return 0, false
	}
	left := max(0, float64(p.Of-p.Bytes)) / float64(p.Bytes)
	return time.Duration(left * float64(p.Elapsed)), true
}

// A meter measures a transfer while it goes on, for whoever asks.
type meter struct {
	mu    sync.Mutex
	now   Progress
	began time.Time
	first int // lines that were done before
}

func (m *meter) begin(done int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.began, m.first, m.now = time.Now(), done, Progress{Lines: done}
}

func (m *meter) note(lines int, bytes, of int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now.Lines, m.now.Bytes, m.now.Of = max(lines, m.now.Lines), bytes, of
}

func (m *meter) progress() Progress {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.now
	p.run = p.Lines - m.first
	if !m.began.IsZero() {
		p.Elapsed = time.Since(m.began)
	}
	return p
}
