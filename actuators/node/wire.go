package node

import (
	"encoding/json"
	"fmt"
	"time"
)

// What the admin API of a node takes and answers, as far as it is used here. A test holds it to the node's own document. What an answer has
// besides is not looked at: the node may be newer.

type health struct {
	Status    string    `json:"status"`
	Faults    []string  `json:"faults,omitempty"`
	StartedAt time.Time `json:"started_at,omitzero"`
}

type pool struct {
	Workers int `json:"workers"`
}

type settings struct {
	SpreadingWorkers     int   `json:"spreading_workers"`
	ConsolidationWorkers int   `json:"consolidation_workers"`
	SpreadingCores       []int `json:"spreading_cores"`
	ConsolidationCores   []int `json:"consolidation_cores"`
	APICores             []int `json:"api_cores"`
	PinThreads           bool  `json:"pin_threads"`
	GOMAXPROCS           int   `json:"gomaxprocs"`
}

type topology struct {
	Allowed []int `json:"allowed"`
}

type threading struct {
	Settings      settings `json:"settings"`
	Spreading     pool     `json:"spreading"`
	Consolidation pool     `json:"consolidation"`
	GOMAXPROCS    int      `json:"gomaxprocs"`
	Topology      topology `json:"topology"`
}

type threadingChange struct {
	SpreadingWorkers     *int   `json:"spreading_workers,omitempty"`
	ConsolidationWorkers *int   `json:"consolidation_workers,omitempty"`
	SpreadingCores       *[]int `json:"spreading_cores,omitempty"`
	ConsolidationCores   *[]int `json:"consolidation_cores,omitempty"`
	GOMAXPROCS           *int   `json:"gomaxprocs,omitempty"`
}

type eviction struct {
	HotThreshold  float64   `json:"hot_threshold"`
	WarmThreshold float64   `json:"warm_threshold"`
	HotMaxRatio   float64   `json:"hot_max_ratio"`
	WarmMaxRatio  float64   `json:"warm_max_ratio"`
	HotBytes      int64     `json:"hot_bytes"`
	Owner         string    `json:"owner"`
	Since         time.Time `json:"since,omitzero"`
	Until         time.Time `json:"until,omitzero"`
}

type evictionChange struct {
	HotThreshold  *float64 `json:"hot_threshold,omitempty"`
	WarmThreshold *float64 `json:"warm_threshold,omitempty"`
	HotBytes      *int64   `json:"hot_bytes,omitempty"`
	Owner         string   `json:"owner,omitempty"`
	TTL           span     `json:"ttl,omitzero"`
}

type evictRequest struct {
	HotMaxRatio *float64 `json:"hot_max_ratio,omitempty"`
}

type memory struct {
	LimitBytes *int64 `json:"limit_bytes"` // nil: no limit
}

type wal struct {
	Retention span `json:"retention"`
}

type snapshotSettings struct {
	KeepLast   int    `json:"keep_last"`
	KeepWeekly int    `json:"keep_weekly"`
	Archive    string `json:"archive,omitempty"`
}

type snapshotRequest struct {
	KeepLast   *int   `json:"keep_last,omitempty"`
	KeepWeekly *int   `json:"keep_weekly,omitempty"`
	Bucket     string `json:"bucket,omitempty"`
}

type space struct {
	Name  string `json:"name"`
	Error string `json:"error,omitempty"`
}

type spaces struct {
	Spaces []space `json:"spaces"`
}

// A problem is an error as the API tells it.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Remedy string `json:"remedy"`
}

// A span is a duration, written as 30s.
type span time.Duration

func (s span) MarshalText() ([]byte, error) { return []byte(time.Duration(s).String()), nil }

func (s *span) UnmarshalText(b []byte) error {
	d, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("%.40q is no duration", b)
	}
	*s = span(d)
	return nil
}

// encode never fails: the arguments are plain structs.
func encode(v any) json.RawMessage {
	b, _ := json.Marshal(v)
	return b
}

func decode(text json.RawMessage, into any) error {
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("node: the journalled step makes no sense: %w", err)
	}
	return nil
}
