package config

import "time"

// Node are the options of the embedded memory node.
type Node struct {
	// Enabled runs a memory node inside the agent.
	Enabled bool `yaml:"enabled"`
	// VectorDim is the dimension of the vectors in the default space.
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
	// Retention is how long segments stay after their checkpoint.
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
	// Aware is on by default only above 32 GB and two nodes.
	Aware bool `yaml:"aware"`
	// Bind lists the nodes whose memory is used.
	Bind []int `yaml:"bind,omitempty"`
}

// defaultNode has the guide's tiers.
func defaultNode() Node {
	return Node{
		VectorDim: 768, HotTierSize: "auto",
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
