package policy

import (
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// A MaintenanceWindow is a stretch of time that returns: it opens as cron says on the wall clock of
// Location and stays open for Duration of real time.
//
// Where the clock is put forward over an opening, it opens as much later as the clock was put; where
// the clock is put back and the hour comes twice, it opens the first time only. An opening in every
// hour opens in each of the two.
type MaintenanceWindow struct {
	Name     string
	Cron     string
	Duration time.Duration
	Location *time.Location

	schedule  *cron.SpecSchedule
	everyHour bool
}

// An Opening is one time that a maintenance window is open.
type Opening struct {
	Opens  time.Time `json:"opens"`
	Closes time.Time `json:"closes"`
}

const maxWindow = 7 * day

// ParseMaintenanceWindow checks and completes a window. A nil location is UTC.
func ParseMaintenanceWindow(name, expr string, d time.Duration, loc *time.Location) (*MaintenanceWindow, error) {
	if loc == nil {
		loc = time.UTC
	}
	fault := func(format string, args ...any) (*MaintenanceWindow, error) {
		return nil, fmt.Errorf("maintenance window %q: "+format, append([]any{name}, args...)...)
	}
	fields := strings.Fields(expr)
	switch {
	case strings.Contains(expr, "TZ="):
		return fault("cron %.60q: give the time zone as time_zone", expr)
	case strings.HasPrefix(expr, "@every"):
		return fault("cron %.60q: @every has no fixed time of day; write minute hour day month weekday", expr)
	case !strings.HasPrefix(expr, "@") && len(fields) != 5:
		return fault("cron %.60q: want five fields: minute hour day month weekday", expr)
	case d < time.Minute || d > maxWindow:
		return fault("duration %s: want between 1m and 7d", FormatDuration(d))
	}
	schedule, err := cron.ParseStandard(expr)
	if err != nil {
		return fault("cron %.60q: %w", expr, err)
	}
	spec, ok := schedule.(*cron.SpecSchedule)
	if !ok {
		return fault("cron %.60q: want minute hour day month weekday", expr)
	}
	spec.Location = time.UTC // it runs on the wall clock's figures; see instants
	w := &MaintenanceWindow{Name: name, Cron: expr, Duration: d, Location: loc, schedule: spec}
	const allHours = 1<<24 - 1
	w.everyHour = spec.Hour&allHours == allHours
	if spec.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return fault("cron %.60q: there is no such day", expr)
	}
	return w, nil
}

// Open returns the opening that now lies in: the latest, where one begins before another ends.
func (w *MaintenanceWindow) Open(now time.Time) (Opening, bool) {
	// From the last hour backwards, so that a window that opens often is found in few steps.
	for back := min(time.Hour, w.Duration); ; back = min(4*back, w.Duration) {
		var last time.Time
		for t := w.after(now.Add(-back)); !t.IsZero() && !t.After(now); t = w.after(t) {
			last = t
		}
		if !last.IsZero() {
			return Opening{last, last.Add(w.Duration)}, true
		}
		if back == w.Duration {
			return Opening{}, false
		}
	}
}

// Next returns the first opening after now, false if there is none within five years.
func (w *MaintenanceWindow) Next(now time.Time) (Opening, bool) {
	t := w.after(now)
	return Opening{t, t.Add(w.Duration)}, !t.IsZero()
}

// after returns the first time after t at which w opens, zero if there is none.
//
// The schedule runs on the figures that the wall clock shows, and each stretch of time with one
// offset from UTC is searched by itself.
func (w *MaintenanceWindow) after(t time.Time) time.Time {
	if w.schedule == nil {
		return time.Time{}
	}
	at := t.Truncate(time.Second).Add(time.Second)
	for limit := t.AddDate(6, 0, 0); at.Before(limit); {
		start, end := at.In(w.Location).ZoneBounds()
		offset := offsetAt(at, w.Location)
		opens := w.onWall(at, offset)
		if opens.IsZero() {
			return time.Time{}
		}
		if !start.IsZero() {
			before := offsetAt(start.Add(-time.Second), w.Location)
			switch shift := offset - before; {
			case shift > 0 && at.Before(start.Add(shift)): // the clock was put forward: what it left out comes now
				if late := w.onWall(at, before); late.Before(start.Add(shift)) && late.Before(opens) {
					opens = late
				}
			case shift < 0 && !w.everyHour && opens.Before(start.Add(-shift)): // it was put back: that was there already
				at = start.Add(-shift)
				continue
			}
		}
		if end.IsZero() || opens.Before(end) {
			return opens.In(w.Location)
		}
		at = end
	}
	return time.Time{}
}

// onWall returns the first instant at or after at when a wall clock at offset from UTC shows a time of
// the schedule, zero if none ever does.
func (w *MaintenanceWindow) onWall(at time.Time, offset time.Duration) time.Time {
	next := w.schedule.Next(at.UTC().Add(offset - time.Second))
	if next.IsZero() {
		return next
	}
	return next.Add(-offset)
}

func offsetAt(t time.Time, loc *time.Location) time.Duration {
	_, seconds := t.In(loc).Zone()
	return time.Duration(seconds) * time.Second
}
