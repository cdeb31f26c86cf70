package snapshot

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/engramd/engramd/node/record"
	"github.com/robfig/cron/v3"
)

// A Schedule says when snapshots are taken: minute, hour, day, month and weekday as cron has them, on the wall clock of a place.
type Schedule struct {
	spec *cron.SpecSchedule
	loc  *time.Location
}

const (
	// look is how often the clock is looked at: it may be put, and a machine may sleep.
	look = time.Minute
	// again is how long after a failure the next try comes, if the schedule has none before.
	again = time.Hour
)

// ParseSchedule reads a schedule. A nil location is UTC.
func ParseSchedule(expr string, loc *time.Location) (*Schedule, error) {
	bad := func(why string) (*Schedule, error) {
		return nil, &record.InvalidError{Field: "schedule", Reason: fmt.Sprintf("%.60q: %s", expr, why)}
	}
	if loc == nil {
		loc = time.UTC
	}
	if !strings.HasPrefix(expr, "@") && len(strings.Fields(expr)) != 5 {
		return bad("want five fields: minute hour day month weekday")
	}
	parsed, err := cron.ParseStandard(expr)
	if err != nil {
		return bad(err.Error())
	}
	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return bad("has no fixed time of day")
	}
	s := &Schedule{spec: spec, loc: loc}
	if s.After(time.Unix(0, 0)).IsZero() {
		return bad("there is no such day")
	}
	return s, nil
}

// After returns the first time behind t.
func (s *Schedule) After(t time.Time) time.Time { return s.spec.Next(t.In(s.loc)) }

// Run calls take whenever it is due, until ctx ends: once, if times went by while nobody looked. last tells when it last went well, zero if never. After a
// failure the next try comes with the schedule, or within the hour.
func (s *Schedule) Run(ctx context.Context, now func() time.Time, last func() time.Time, take func(context.Context) error) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	w := waiting{since: now()}
	for {
		if n := now(); !n.Before(w.due(s, n, last())) {
			w.note(now(), take(ctx))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// waiting is what a schedule remembers between two looks.
type waiting struct {
	since  time.Time // the start, or the last try
	failed bool      // the last try
}

func (w *waiting) note(now time.Time, err error) { w.since, w.failed = now, err != nil }

// due returns when the next try is due. A time that is ahead of the clock says that the clock was put back, and nothing else.
func (w *waiting) due(s *Schedule, now, last time.Time) time.Time {
	if w.since.After(now) {
		w.since = now
	}
	switch {
	case w.failed:
		due, retry := s.After(w.since), w.since.Add(again)
		if retry.Before(due) {
			return retry
		}
		return due
	case last.IsZero() || last.After(now):
		return s.After(w.since)
	}
	return s.After(last)
}
