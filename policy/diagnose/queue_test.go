package diagnose_test

import (
	"testing"

	"github.com/engramd/engramd/policy/diagnose"
)

// TestWhoQueuesHasNotComeToTheLock: one of two workers waits for a lock, and 248 jobs for a worker.
func TestWhoQueuesHasNotComeToTheLock(t *testing.T) {
	numbers := but(diagnose.LockWaiters, 0.87, diagnose.InFlight, 250, diagnose.QueueDepth, 248)
	if got := verdict(t, diagnose.Diagnose(numbers), diagnose.Lock); got != diagnose.Likely {
		t.Errorf("a lock is %s", got)
	}
	numbers = but(diagnose.LockWaiters, 0.87, diagnose.InFlight, 250, diagnose.QueueDepth, 0)
	if got := verdict(t, diagnose.Diagnose(numbers), diagnose.Lock); got == diagnose.Likely {
		t.Error("one of 250 that all run waits for a lock, and that is likely")
	}
}
