package policy

import (
	"time"

	"github.com/robfig/cron/v3"
)

// A MaintenanceWindow is a stretch of time that returns: it opens as cron says on the wall clock of
// Location and stays open for Duration of real time.
type MaintenanceWindow struct {
	Name     string
	Cron     string
	Duration time.Duration
	Location *time.Location

	schedule *cron.SpecSchedule
}

// An Opening is one time that a maintenance window opens.
type Opening struct {
	Opens  time.Time `json:"opens"`
	Closes time.Time `json:"closes"`
}

// ParseMaintenanceWindow checks and completes a window. A nil location is UTC.
func ParseMaintenanceWindow(name, expr string, d time.Duration, loc *time.Location) (*MaintenanceWindow, error) {
	return &MaintenanceWindow{Name: name, Cron: expr, Duration: d, Location: loc}, nil
}

// Open returns the opening that now lies in.
func (w *MaintenanceWindow) Open(now time.Time) (Opening, bool) { return Opening{}, false }

// Next returns the first opening after now, false if there is none within five years.
func (w *MaintenanceWindow) Next(now time.Time) (Opening, bool) { return Opening{}, false }
