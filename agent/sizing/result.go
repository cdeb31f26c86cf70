package sizing

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"

	"github.com/engramd/engramd/policy/compare"
)

// ReadResult reads what a benchmark saved. Other keys than ours are let be: the guide's own script may
// have written more.
func ReadResult(path string) (compare.Result, error) {
	var r compare.Result
	text, err := os.ReadFile(path)
	if err != nil {
		return r, fmt.Errorf("read a benchmark's result: %w", err)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("%s is no result of a benchmark, a JSON object with cpu_usage, p99_latency and ops_per_sec: %w", path, err)
	}
	return r, plausible(path, r)
}

// plausible refuses what no benchmark measures.
func plausible(path string, r compare.Result) error {
	var faults []error
	some := false
	for _, one := range []struct {
		metric string
		value  *float64
	}{{compare.CPUUsage, r.CPUUsage}, {compare.P99Latency, r.P99Latency}, {compare.OpsPerSec, r.OpsPerSec}} {
		list := r.Samples[one.metric]
		if one.value != nil {
			list = append(list[:len(list):len(list)], *one.value)
		}
		for _, v := range list {
			some = true
			if v < 0 || math.IsNaN(v) || math.IsInf(v, 0) {
				faults = append(faults, fmt.Errorf("%s: %s of %v", path, one.metric, v))
				break
			}
		}
	}
	if !some {
		faults = append(faults, fmt.Errorf("%s has none of cpu_usage, p99_latency and ops_per_sec", path))
	}
	return errors.Join(faults...)
}
