package telemetry

import (
	"context"
	"fmt"
)

// gauges asks the target's platforms for numbers that no control group tells. ids name the target.
func (c *collector) gauges(ctx context.Context) ([]sample, error) {
	c.mu.Lock()
	ask := c.target.Gauges
	c.mu.Unlock()
	if ask == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, observeTimeout)
	defer cancel()
	found, err := ask(ctx)
	var samples []sample
	for _, g := range found {
		samples = append(samples, sample{"engramd_target_" + g.Name, g.Value, []string{"target", c.name}})
	}
	if err != nil {
		return samples, fmt.Errorf("measure: %w", err)
	}
	return samples, nil
}

// gaugeHelp is what the drivers' own numbers say, by what follows engramd_target_.
var gaugeHelp = map[string]string{
	"storage_size_bytes":         "Size of the target's file system, less what it keeps for itself.",
	"storage_used_bytes":         "What is used of it.",
	"storage_available_bytes":    "What those without privileges can still have of it.",
	"storage_inodes":             "Files that the file system has room for; xfs makes more as it goes.",
	"storage_inodes_free":        "Those of them that are free.",
	"storage_limit_bytes":        "How much of its disk the file system reaches: the target's storage.",
	"storage_device_bytes":       "Size of the disk; larger than storage_limit_bytes if the file system did not follow it.",
	"storage_reads_total":        "Reads of the disk.",
	"storage_writes_total":       "Writes to the disk.",
	"storage_busy_seconds_total": "Time in which the disk had something to do.",
}
