package config

import (
	"fmt"
	"os"
)

// A Report is what targets used and should have, written to data_dir/reports at regular times.
type Report struct {
	// Every is how often: weekly on Mondays, monthly on the first, quarterly on the first of a quarter, in the morning.
	Every string `yaml:"every" oneof:"weekly monthly quarterly"`
	// Prices is a file with a table of prices, for what the sizes cost.
	Prices string `yaml:"prices,omitempty"`
}

func (r *Report) setDefaults() { r.Every = "weekly" }

func (r *resolver) report() {
	r.cfg.Report = r.doc.Report
	if r.doc.Report == nil || r.doc.Report.Prices == "" {
		return
	}
	if _, err := os.Stat(r.doc.Report.Prices); err != nil {
		r.faultAt("report.prices", fmt.Sprintf("report.prices: %v", err), "")
	}
}
