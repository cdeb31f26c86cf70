package api

import (
	"net/http"
	"time"

	"github.com/engramd/engramd/node"
	"github.com/go-json-experiment/json/jsontext"
)

// A MemoryLimit is the memory limit of Go (GOMEMLIMIT) for the process of the node.
type MemoryLimit struct {
	LimitBytes *int64 `json:"limit_bytes" like:"limit" desc:"null: no limit"`
}

// A WALSettings says how long the log is kept.
type WALSettings struct {
	Retention Duration `json:"retention" desc:"how long segments stay after their checkpoint, as 24h; 0s lets them go at once"`
}

// A SnapshotSettings says how many snapshots stay, and where all are copied to.
type SnapshotSettings struct {
	KeepLast   int    `json:"keep_last" desc:"how many of the newest stay when scheduled ones were taken"`
	KeepWeekly int    `json:"keep_weekly" desc:"of how many weeks the newest stays"`
	Archive    string `json:"archive,omitempty" desc:"a bucket, file:///dir or s3://name?region=R, that all are copied to; none if absent"`
}

// A SnapshotSettingsChange changes them; what is absent stays as it is.
type SnapshotSettingsChange struct {
	KeepLast   *int    `json:"keep_last,omitempty"`
	KeepWeekly *int    `json:"keep_weekly,omitempty"`
	Archive    *string `json:"archive,omitempty" desc:"empty: none"`
}

// A ConsolidationSettings says how often spaces are consolidated.
type ConsolidationSettings struct {
	Every Duration `json:"every" desc:"how often a space in which something has changed is consolidated, as 5m; negative: only when asked"`
}

// settingRoutes are of settings that hold until the node ends: its next start goes by its configuration again.
var settingRoutes = []route{
	{
		method: "GET", path: prefix + "/admin/memory", needs: Read, does: "The memory limit of Go for the node's process", params: []param{paramTimeout},
		out: MemoryLimit{}, handle: (*exchange).memoryLimit,
	},
	{
		method: "POST", path: prefix + "/admin/memory", needs: Admin,
		does:   "Change the memory limit of Go for the node's process, until it ends; one that what is in use does not fit into is refused",
		params: []param{paramTimeout}, in: MemoryLimit{}, out: MemoryLimit{}, example: `{"limit_bytes":8589934592}`, handle: (*exchange).changeMemoryLimit,
	},
	{
		method: "GET", path: prefix + "/admin/storage/wal", needs: Read, does: "How long the log is kept", params: []param{paramTimeout},
		out: WALSettings{}, handle: (*exchange).walSettings,
	},
	{
		method: "POST", path: prefix + "/admin/storage/wal", needs: Admin, does: "Change how long the log is kept, until the node ends; what is older goes at once",
		params: []param{paramTimeout}, in: WALSettings{}, out: WALSettings{}, example: `{"retention":"12h"}`, handle: (*exchange).changeWALSettings,
	},
	{
		method: "GET", path: snapshotsPath + "/settings", needs: Read, does: "How many snapshots stay, and where they are copied to", params: []param{paramTimeout},
		out: SnapshotSettings{}, handle: (*exchange).snapshotSettings,
	},
	{
		method: "POST", path: snapshotsPath + "/settings", needs: Admin, does: "Change how many snapshots stay and where they are copied to, until the node ends",
		params: []param{paramTimeout}, in: SnapshotSettingsChange{}, out: SnapshotSettings{}, example: `{"keep_last":5,"keep_weekly":4}`,
		handle: (*exchange).changeSnapshotSettings,
	},
	{
		method: "GET", path: prefix + "/admin/consolidation/settings", needs: Read, does: "How often spaces are consolidated", params: []param{paramTimeout},
		out: ConsolidationSettings{}, handle: (*exchange).consolidationSettings,
	},
	{
		method: "POST", path: prefix + "/admin/consolidation/settings", needs: Admin, does: "Change how often spaces are consolidated, until the node ends",
		params: []param{paramTimeout}, in: ConsolidationSettings{}, out: ConsolidationSettings{}, example: `{"every":"1m"}`,
		handle: (*exchange).changeConsolidationSettings,
	},
}

func (x *exchange) memoryLimit() error {
	var out MemoryLimit
	if limit, limited := node.MemoryLimit(); limited {
		out.LimitBytes = &limit
	}
	return x.answer(http.StatusOK, out)
}

func (x *exchange) changeMemoryLimit() error {
	var in struct {
		LimitBytes jsontext.Value `json:"limit_bytes"` // null is no limit, and absent a mistake
	}
	if err := x.readJSON(maxAdminBody, false, &in); err != nil {
		return err
	}
	if len(in.LimitBytes) == 0 {
		return invalid("limit_bytes", "is missing; null is no limit")
	}
	limit, limited := int64(0), in.LimitBytes.Kind() != 'n'
	if limited {
		if err := decode(in.LimitBytes, &limit); err != nil {
			return invalid("limit_bytes", "is no whole number of bytes")
		}
	}
	if err := node.SetMemoryLimit(limit, limited); err != nil {
		return err
	}
	x.api.log.Info("memory limit changed", "limited", limited, "limit_bytes", limit)
	return x.memoryLimit()
}

func (x *exchange) walSettings() error {
	return x.answer(http.StatusOK, WALSettings{Duration(x.api.node.WALRetention())})
}

func (x *exchange) changeWALSettings() error {
	var in struct {
		Retention *Duration `json:"retention"`
	}
	if err := x.readJSON(maxAdminBody, false, &in); err != nil {
		return err
	}
	if in.Retention == nil {
		return invalid("retention", "is missing")
	}
	if err := x.api.node.SetWALRetention(time.Duration(*in.Retention)); err != nil {
		return err
	}
	x.api.log.Info("retention of the log changed", "retention", time.Duration(*in.Retention))
	return x.walSettings()
}

func (x *exchange) snapshotSettings() error {
	k := x.api.node.SnapshotKeep()
	return x.answer(http.StatusOK, SnapshotSettings{KeepLast: k.Last, KeepWeekly: k.Weekly, Archive: k.Archive})
}

func (x *exchange) changeSnapshotSettings() error {
	var in SnapshotSettingsChange
	if err := x.readJSON(maxAdminBody, false, &in); err != nil {
		return err
	}
	x.api.changing.Lock()
	defer x.api.changing.Unlock()
	k := x.api.node.SnapshotKeep()
	set(&k.Last, in.KeepLast)
	set(&k.Weekly, in.KeepWeekly)
	set(&k.Archive, in.Archive)
	if err := x.api.node.SetSnapshotKeep(k); err != nil {
		return err
	}
	x.api.log.Info("snapshot settings changed", "keep_last", k.Last, "keep_weekly", k.Weekly, "archive", k.Archive != "")
	return x.snapshotSettings()
}

func (x *exchange) consolidationSettings() error {
	return x.answer(http.StatusOK, ConsolidationSettings{Duration(x.api.node.ConsolidateEvery())})
}

func (x *exchange) changeConsolidationSettings() error {
	var in ConsolidationSettings
	if err := x.readJSON(maxAdminBody, false, &in); err != nil {
		return err
	}
	if err := x.api.node.SetConsolidateEvery(time.Duration(in.Every)); err != nil {
		return err
	}
	x.api.log.Info("rhythm of consolidation changed", "every", time.Duration(in.Every))
	return x.consolidationSettings()
}
