package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/snapshot"
	"github.com/engramd/engramd/policy"
)

// smallestSegment is below what one batch of the log may need.
const smallestSegment = 8 << 20

// ParseNode reads an engram.yaml: the options of a memory node without an agent around it, which are the
// keys of agent.yaml's section node. Its error is a [Faults].
func ParseNode(name string, data []byte) (Node, error) {
	n := defaultNode()
	s := newSource(name, data)
	s.mayBeEmpty = true
	r := &resolver{decoder: decodeDocument(s, &n, nil)}
	if r.written("enabled") {
		r.fault(r.atKey("enabled"), `unknown key "enabled"`, "it belongs into agent.yaml, whose node runs inside the agent")
	}
	n.Enabled = true
	r.node("", n)
	return n, r.err()
}

// LoadNode reads the engram.yaml at path. Its error is a [Faults] unless the file could not be read.
func LoadNode(path string) (Node, error) {
	data, err := readRegular(path, MaxBytes)
	if err != nil {
		return Node{}, fmt.Errorf("read the configuration %s: %w", path, err)
	}
	return ParseNode(path, data)
}

// node checks the options of a memory node; prefix is in front of their paths.
func (r *resolver) node(prefix string, n Node) {
	wrong := func(path, hint, format string, args ...any) {
		r.faultAt(prefix+path, prefix+path+": "+fmt.Sprintf(format, args...), hint)
	}
	if n.VectorDim < 0 || n.VectorDim > record.MaxDimension {
		wrong("vector_dim", "0 takes that of the first vector", "%d: want 0 to %d", n.VectorDim, record.MaxDimension)
	}
	if n.HotTierSize != "auto" {
		r.amount(policy.Memory, n.HotTierSize, prefix+"hot_tier_size")
	}
	r.tierPolicy(prefix+"storage.tier_policy", n.Storage.TierPolicy)
	if w := n.Storage.WAL; w.SegmentSize < smallestSegment || w.SegmentSize > 4<<30 {
		wrong("storage.wal.segment_size", "", "%v: want 8Mi to 4Gi", w.SegmentSize.toYAML())
	}
	r.snapshots(prefix+"storage.snapshots", n.Storage.Snapshots)
	if n.Storage.DiskIOPS < 0 {
		wrong("storage.disk_iops", "0 is not known", "%d: want 0 or more", n.Storage.DiskIOPS)
	}
	for key, cores := range map[string][]int{
		"threading.spreading_cores": n.Threading.SpreadingCores, "threading.consolidation_cores": n.Threading.ConsolidationCores,
		"threading.api_cores": n.Threading.APICores, "numa.bind": n.NUMA.Bind,
	} {
		for i, number := range cores {
			switch {
			case number < 0:
				wrong(fmt.Sprintf("%s[%d]", key, i), "", "%d: want 0 or more", number)
			case slices.Contains(cores[:i], number):
				wrong(fmt.Sprintf("%s[%d]", key, i), "", "%d is listed twice", number)
			}
		}
	}
	if n.Threading.CPUIsolation && !n.Threading.PinThreads {
		wrong("threading.cpu_isolation", "add pin_threads: true", "it needs pin_threads")
	}
}

// tierPolicy has the node judge what it is to keep to, number by number first, so that each fault has its
// place.
func (r *resolver) tierPolicy(path string, p NodeTierPolicy) {
	fine := true
	for key, f := range map[string]float64{
		"hot_tier.max_ratio": p.HotTier.MaxRatio, "hot_tier.activation_threshold": p.HotTier.ActivationThreshold,
		"warm_tier.max_ratio": p.WarmTier.MaxRatio, "warm_tier.activation_threshold": p.WarmTier.ActivationThreshold,
		"memory_pressure.high_threshold": p.MemoryPressure.HighThreshold, "memory_pressure.critical_threshold": p.MemoryPressure.CriticalThreshold,
	} {
		if key = path + "." + key; !(f >= 0 && f <= 1) {
			fine = false
			r.faultAt(key, fmt.Sprintf("%s: %v: want 0 to 1", key, f), "")
		}
	}
	for key, d := range map[string]time.Duration{"hot_tier": p.HotTier.EvictionInterval, "warm_tier": p.WarmTier.EvictionInterval} {
		if key = path + "." + key + ".eviction_interval"; d < time.Second {
			fine = false
			r.faultAt(key, fmt.Sprintf("%s: %s: want 1s or more", key, formatDuration(d)), "")
		}
	}
	if !fine {
		return
	}
	for _, err := range split(p.Policy().Validate()) {
		r.faultAt(path, path+": "+strings.TrimPrefix(err.Error(), "tier policy: "), "")
	}
}

// split takes joined errors apart.
func split(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := errors.AsType[interface {
		error
		Unwrap() []error
	}](err); ok {
		var all []error
		for _, one := range joined.Unwrap() {
			all = append(all, split(one)...)
		}
		return all
	}
	return []error{err}
}

// snapshots checks when snapshots are made, how many stay, and where they are copied to.
func (r *resolver) snapshots(path string, s NodeSnapshots) {
	if s.Schedule != "" {
		if _, err := snapshot.ParseSchedule(s.Schedule, time.Local); err != nil {
			r.faultAt(path+".schedule", fmt.Sprintf("%s.schedule: %.40q is no cron expression", path, s.Schedule), "want minute hour day month weekday")
		}
	}
	if s.KeepLast < 1 {
		r.faultAt(path+".keep_last", fmt.Sprintf("%s.keep_last: %d: want 1 or more", path, s.KeepLast), "")
	}
	if s.KeepWeekly < 0 {
		r.faultAt(path+".keep_weekly", fmt.Sprintf("%s.keep_weekly: %d: want 0 or more", path, s.KeepWeekly), "")
	}
	if s.Archive != "" {
		if err := snapshot.CheckBucketURL(s.Archive); err != nil {
			r.faultAt(path+".archive", fmt.Sprintf("%s.archive: %v", path, err), "want file:///dir or s3://name?region=R")
		}
	}
}
