package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/agent/sizing"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/policy/capacity"
)

// reportTimes are when each kind of report is due, on the host's clock.
var reportTimes = map[string]string{"weekly": "0 6 * * 1", "monthly": "0 6 1 * *", "quarterly": "0 6 1 1,4,7,10 *"}

// reports is what the loop remembers of reports.
type reports struct {
	last    time.Time // that one was made, or since when one is waited for
	again   time.Time // before which one that failed is not tried again
	read    bool      // last was read from the journal
	writing bool
}

// reportAgain is after how long a report that could not be made is tried again.
const reportAgain = 24 * time.Hour

const reportKey = "report/last"

// report writes a report beside the loop, if one is due. One that was missed while engramd did not run is
// made at the next start.
func (a *Agent) report(ctx context.Context, now time.Time) {
	r, cfg := &a.loop.reports, a.loop.cfg.Report
	if cfg == nil || r.writing {
		return
	}
	if !r.read {
		r.read = true
		a.logError("read when a report was made last", a.restoreMeta(reportKey, &r.last))
		if r.last.IsZero() || r.last.After(now) {
			a.reported(now)
		}
	}
	times, err := cron.ParseStandard(reportTimes[cfg.Every])
	if err != nil || now.Before(times.Next(r.last)) || now.Before(r.again) {
		return
	}
	r.writing = true
	dir, from := a.loop.cfg.DataDir, a.recorded
	a.loop.beside.Go(func() {
		path, text, err := writeReport(ctx, from, *cfg, dir, now)
		_, _ = call(ctx, a.inbox, func() (struct{}, error) {
			r.writing = false
			e := policy.Event{Type: policy.EventAgent, Severity: policy.Info, Message: text, Details: map[string]string{"report": path}}
			if err != nil {
				r.again = now.Add(reportAgain)
				e.Severity, e.Details = policy.Warning, nil
				e.Message = fmt.Sprintf("the %s report was not made, and is tried again in %s: %v", cfg.Every, policy.FormatDuration(reportAgain), err)
			} else {
				a.reported(now)
			}
			a.emit(e)
			return struct{}{}, nil
		})
	})
}

// reported remembers that a report was made, or is waited for from now on.
func (a *Agent) reported(now time.Time) {
	a.loop.reports.last = now
	text, err := json.Marshal(now)
	if err == nil {
		err = a.journal.PutMeta(reportKey, text)
	}
	a.logError("keep when a report was made", err)
}

// writeReport analyses a period and writes it to data_dir/reports, whole or not at all. text is for people.
func writeReport(ctx context.Context, q sizing.Querier, cfg config.Report, dataDir string, now time.Time) (path, text string, err error) {
	o := sizing.AnalyzeOptions{Now: now, Period: cfg.Period()}
	if cfg.Prices != "" {
		var p capacity.Prices
		if p, err = sizing.ReadPrices(cfg.Prices); err != nil {
			return "", "", err
		}
		o.Prices = &p
	}
	found, err := sizing.Analyze(ctx, q, o)
	if err != nil {
		return "", "", err
	}
	out, err := json.MarshalIndent(found, "", "  ")
	if err != nil {
		return "", "", err
	}
	dir := filepath.Join(dataDir, "reports")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", "", err
	}
	path = filepath.Join(dir, cfg.Every+"-"+now.Format(time.DateOnly)+".json")
	part := path + ".part"
	if err = os.WriteFile(part, append(out, '\n'), 0o600); err == nil {
		err = os.Rename(part, path)
	}
	if err != nil {
		os.Remove(part)
		return "", "", err
	}
	return path, fmt.Sprintf("the %s report on %d targets is in %s", cfg.Every, len(found.Targets), path), nil
}
