package config

import (
	"fmt"
	"os"
	"time"
)

// A Report is what targets used and should have, written to data_dir/reports at regular times.
type Report struct {
	// Every is how often: weekly on Mondays, monthly on the first, quarterly on the first of a quarter, in the morning.
	Every string `yaml:"every" oneof:"weekly monthly quarterly"`
	// Prices is a file with a table of prices, for what the sizes cost.
	Prices string `yaml:"prices,omitempty"`
}

// Period is how far back a report looks.
func (r Report) Period() time.Duration {
	const day = 24 * time.Hour
	switch r.Every {
	case "monthly":
		return 30 * day
	case "quarterly":
		return 90 * day
	}
	return 7 * day
}

func (r *Report) setDefaults() { r.Every = "weekly" }

func (r *resolver) report() {
	if r.doc.Report == nil {
		return
	}
	one := *r.doc.Report
	one.Prices = r.file(one.Prices)
	r.cfg.Report = &one
	if period, kept := r.doc.Report.Period(), r.doc.Metrics.Retention; period > kept {
		r.warn(r.at("report.every"), fmt.Sprintf("report: a %s one looks back %s, and samples are kept for %s only (metrics.retention)", r.doc.Report.Every, formatDuration(period), formatDuration(kept)))
	}
	if one.Prices == "" {
		return
	}
	if _, err := os.Stat(one.Prices); err != nil {
		r.faultAt("report.prices", fmt.Sprintf("report.prices: %v", err), "")
	}
}
