package testenv

import (
	"testing"
	"time"
)

// Eventually waits until a condition of a real system holds, and fails the test if it does not within the given time.
func Eventually(t testing.TB, within time.Duration, what string, holds func() bool) {
	t.Helper()
	within = Patience(within)
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline.C:
			if !holds() {
				t.Fatalf("not within %v: %s", within, what)
			}
			return
		case <-tick.C:
		}
	}
}
