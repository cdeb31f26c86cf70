package service

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Faults are the ways in which the service misbehaves now.
type faults struct {
	mu          sync.Mutex
	health      bool
	metrics     string // one of metricsModes; "" is none
	maintenance string // one of maintenanceModes
	errors      float64
}

var (
	metricsModes     = []string{"500", "hang", "garbage", "huge", "empty", "nan"}
	maintenanceModes = []string{"500", "hang"}
)

// mode translates "off" and refuses what is not allowed.
func mode(text string, allowed []string) (string, error) {
	if text == "off" {
		return "", nil
	}
	if !slices.Contains(allowed, text) {
		return "", fmt.Errorf("mode %q: want off or one of %v", text, allowed)
	}
	return text, nil
}

func (f *faults) now() (health bool, metrics, maintenance string, errors float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.health, f.metrics, f.maintenance, f.errors
}

// endless pours out an answer that never ends, some 100 MB a second: enough to hurt a reader without a bound, not enough
// to take the machine. It returns when the reader hangs up or the service stops.
func (s *Service) endless(ctx context.Context, w http.ResponseWriter, next func(block []byte, n int) []byte) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	pace := time.NewTicker(10 * time.Millisecond)
	defer pace.Stop()
	block := make([]byte, 0, 1<<20)
	for n := 0; ; n++ {
		block = next(block[:0], n)
		if _, err := w.Write(block); err != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-s.stopping:
			return
		case <-pace.C:
		}
	}
}

// noise is a block of random bytes.
func noise(block []byte, _ int) []byte {
	block = block[:cap(block)]
	rand.Read(block)
	return block
}

// series is a block of well-formed samples, each of a series that was never seen before.
func series(block []byte, n int) []byte {
	for i := 0; len(block) < cap(block)-64; i++ {
		block = fmt.Appendf(block, "workload_endless{block=\"%d\",row=\"%d\"} 1\n", n, i)
	}
	return block
}
