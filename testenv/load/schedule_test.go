package load

import (
	"testing"
	"time"
)

// TestScheduleCatchesUp: a sender that was held up sends what was due meanwhile, each with the time at which it was due.
func TestScheduleCatchesUp(t *testing.T) {
	start := time.Unix(0, 0)
	s := schedule{next: start, rate: 10}
	late := start.Add(350 * time.Millisecond)
	for i := range 4 {
		if !s.due(late) {
			t.Fatalf("the %d. request is not due", i+1)
		}
		if due := s.advance(); !due.Equal(start.Add(time.Duration(i) * 100 * time.Millisecond)) {
			t.Errorf("the %d. request was due at %v", i+1, due.Sub(start))
		}
	}
	if s.due(late) || s.wait(late) != 50*time.Millisecond {
		t.Errorf("then it waits %v", s.wait(late))
	}
	s.change(late, 0)
	if s.due(late.Add(time.Hour)) {
		t.Error("a paused schedule has something due")
	}
	s.change(late, 2)
	if s.due(late) || s.wait(late) != 500*time.Millisecond {
		t.Errorf("after a change it waits %v", s.wait(late))
	}
}
