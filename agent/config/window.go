package config

import (
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // an image from scratch has no time zones

	"github.com/engramd/engramd/policy"
)

// A windowSection is a stretch of time that returns.
type windowSection struct {
	// Name is what targets call it.
	Name string `yaml:"name"`
	// Cron says when it opens: minute hour day month weekday, on the clock of time_zone.
	Cron string `yaml:"cron"`
	// Duration is how long it stays open.
	Duration time.Duration `yaml:"duration"`
	// TimeZone is an IANA name such as Europe/Berlin, or Local; UTC if it is not said.
	TimeZone string `yaml:"time_zone"`
}

func (w *windowSection) setDefaults() { w.TimeZone = "UTC" }

// windows resolves the maintenance windows.
func (r *resolver) windows() {
	r.cfg.Windows = map[string]Window{}
	for i, w := range r.doc.MaintenanceWindows {
		path := fmt.Sprintf("maintenance_windows[%d]", i)
		if w.Name == "" {
			r.faultAt(path, "a maintenance window has no name", "add `name:`")
			continue
		}
		if _, twice := r.cfg.Windows[w.Name]; twice {
			r.faultAt(path+".name", fmt.Sprintf("there are two maintenance windows %q", w.Name), "")
		}
		r.checkWindow(w, path)
		r.cfg.Windows[w.Name] = Window(w)
	}
}

func (r *resolver) checkWindow(w windowSection, path string) {
	loc, err := time.LoadLocation(w.TimeZone)
	if err != nil || w.TimeZone == "" {
		r.faultAt(path+".time_zone", fmt.Sprintf("%s.time_zone: %.40q is no time zone", path, w.TimeZone), "want an IANA name such as Europe/Berlin, UTC or Local")
	}
	if _, err := policy.ParseMaintenanceWindow(w.Name, w.Cron, w.Duration, loc); err != nil {
		text := strings.TrimPrefix(err.Error(), fmt.Sprintf("maintenance window %q: ", w.Name))
		at := path + ".cron"
		if strings.HasPrefix(text, "duration ") {
			at = path + ".duration"
		}
		r.faultAt(at, path+": "+text, "")
	}
}
