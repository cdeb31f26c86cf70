package config

import (
	"time"

	"github.com/engramd/engramd/node/pressure"
	"github.com/engramd/engramd/node/tier"
	"github.com/engramd/engramd/policy"
)

// Node are the options of a memory node: the section node of agent.yaml, and without enabled the whole of
// engram.yaml.
type Node struct {
	// Enabled runs a memory node inside the agent, with its data in data_dir/node. It is looked after, as a target called node, unless a target
	// names its address; `engramd config show --embedded` says how.
	Enabled bool `yaml:"enabled"`
	// VectorDim is the dimension of the vectors in the default space, which never changes; 0 is that of
	// its first vector.
	VectorDim int `yaml:"vector_dim"`
	// HotTierSize is auto (a quarter of what this process may use) or an amount of memory.
	HotTierSize string `yaml:"hot_tier_size"`
	// Storage is where and in which tiers records are kept.
	Storage NodeStorage `yaml:"storage"`
	// Threading dedicates cores to kinds of work.
	Threading NodeThreading `yaml:"threading"`
	// NUMA binds memory to nodes of the machine.
	NUMA NodeNUMA `yaml:"numa"`
}

// NodeStorage are the node's tiers, log and snapshots.
type NodeStorage struct {
	// TierPolicy moves records between the tiers.
	TierPolicy NodeTierPolicy `yaml:"tier_policy"`
	// WAL is the write-ahead log.
	WAL NodeWAL `yaml:"wal"`
	// Snapshots are consistent copies.
	Snapshots NodeSnapshots `yaml:"snapshots"`
	// DiskIOPS is how many operations a second the disk can do (what the cloud provisioned, or a benchmark
	// found), of which engram_disk_iops_utilized_percent is told; 0 is not known, and then it is not told.
	DiskIOPS int `yaml:"disk_iops,omitempty"`
}

// NodeTierPolicy moves records between the tiers.
type NodeTierPolicy struct {
	// Enabled switches the policy on.
	Enabled bool `yaml:"enabled"`
	// HotTier bounds the hot tier.
	HotTier NodeTier `yaml:"hot_tier"`
	// WarmTier bounds the warm tier.
	WarmTier NodeTier `yaml:"warm_tier"`
	// MemoryPressure says when eviction gets harder.
	MemoryPressure NodePressure `yaml:"memory_pressure"`
}

// NodeTier bounds one tier.
type NodeTier struct {
	// MaxRatio is the largest part of all records.
	MaxRatio float64 `yaml:"max_ratio"`
	// ActivationThreshold evicts records below it.
	ActivationThreshold float64 `yaml:"activation_threshold"`
	// EvictionInterval is how often the tier is looked at.
	EvictionInterval time.Duration `yaml:"eviction_interval"`
}

// NodePressure are the memory pressures at which the node acts.
type NodePressure struct {
	// HighThreshold starts aggressive eviction.
	HighThreshold float64 `yaml:"high_threshold"`
	// CriticalThreshold starts emergency eviction.
	CriticalThreshold float64 `yaml:"critical_threshold"`
}

// NodeWAL is the write-ahead log.
type NodeWAL struct {
	// SegmentSize is the size of one file of the log.
	SegmentSize Bytes `yaml:"segment_size"`
	// Retention is how long segments stay after their checkpoint, 256Mi of them at most; 0s lets them go at once.
	Retention time.Duration `yaml:"retention"`
}

// NodeSnapshots are consistent copies, made by a schedule.
type NodeSnapshots struct {
	// Schedule is a cron expression of five fields; none if empty.
	Schedule string `yaml:"schedule,omitempty"`
	// KeepLast is how many of the newest stay.
	KeepLast int `yaml:"keep_last"`
	// KeepWeekly is how many weekly ones stay.
	KeepWeekly int `yaml:"keep_weekly"`
	// Archive is a bucket URL that snapshots are copied to; none if empty.
	Archive string `yaml:"archive,omitempty"`
}

// NodeThreading dedicates cores to kinds of work.
type NodeThreading struct {
	// SpreadingCores run spreads.
	SpreadingCores []int `yaml:"spreading_cores,omitempty"`
	// ConsolidationCores run consolidation.
	ConsolidationCores []int `yaml:"consolidation_cores,omitempty"`
	// APICores run everything else.
	APICores []int `yaml:"api_cores,omitempty"`
	// PinThreads binds workers to their cores.
	PinThreads bool `yaml:"pin_threads"`
	// CPUIsolation keeps other workers off the cores listed.
	CPUIsolation bool `yaml:"cpu_isolation"`
}

// NodeNUMA binds memory to nodes of the machine.
type NodeNUMA struct {
	// Aware takes memory from nodes near the cores in use. Where nothing is said it is on above 32 GB
	// and two nodes.
	Aware *bool `yaml:"aware,omitempty"`
	// Bind lists the nodes whose memory is used.
	Bind []int `yaml:"bind,omitempty"`
}

// defaultNode has the guide's tiers.
func defaultNode() Node {
	return Node{
		HotTierSize: "auto",
		Storage: NodeStorage{
			TierPolicy: NodeTierPolicy{
				Enabled:        true,
				HotTier:        NodeTier{MaxRatio: 0.10, ActivationThreshold: 0.3, EvictionInterval: time.Minute},
				WarmTier:       NodeTier{MaxRatio: 0.30, ActivationThreshold: 0.1, EvictionInterval: 5 * time.Minute},
				MemoryPressure: NodePressure{HighThreshold: 0.80, CriticalThreshold: 0.90},
			},
			WAL:       NodeWAL{SegmentSize: 64 << 20, Retention: 24 * time.Hour},
			Snapshots: NodeSnapshots{KeepLast: 5, KeepWeekly: 4},
		},
	}
}

// Policy is the tier policy as the node takes it.
func (p NodeTierPolicy) Policy() tier.Policy {
	bounds := func(t NodeTier) tier.Bounds {
		return tier.Bounds{MaxRatio: t.MaxRatio, Threshold: t.ActivationThreshold, Every: t.EvictionInterval}
	}
	return tier.Policy{
		Enabled: p.Enabled, Hot: bounds(p.HotTier), Warm: bounds(p.WarmTier),
		Pressure: pressure.Thresholds{High: p.MemoryPressure.HighThreshold, Critical: p.MemoryPressure.CriticalThreshold},
	}
}

// HotBytes is hot_tier_size in bytes, 0 for auto.
func (n Node) HotBytes() int64 {
	if n.HotTierSize == "auto" {
		return 0
	}
	q, err := policy.ParseQuantity(policy.Memory, n.HotTierSize)
	if err != nil {
		return 0 // it was checked
	}
	bytes, _ := q.Amount()
	return bytes
}
