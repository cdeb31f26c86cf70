package load

import "time"

// idle is how long a schedule without a rate waits; a change of the rate wakes it.
const idle = time.Hour

// A schedule says when requests are due. It knows no clock.
type schedule struct {
	next time.Time
	rate float64
}

// wait is the time until the next request is due.
func (s *schedule) wait(now time.Time) time.Duration {
	if s.rate == 0 {
		return idle
	}
	return max(0, s.next.Sub(now))
}

func (s *schedule) due(now time.Time) bool { return s.rate > 0 && !s.next.After(now) }

// advance returns when the next request is due and moves on. A schedule that is late catches up: the clients that it
// stands for would not wait for one another.
func (s *schedule) advance() time.Time {
	due := s.next
	s.next = due.Add(time.Duration(float64(time.Second) / s.rate))
	return due
}

func (s *schedule) change(now time.Time, rate float64) {
	s.rate, s.next = rate, now
	if rate > 0 {
		s.advance()
	}
}
