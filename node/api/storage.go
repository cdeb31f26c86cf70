package api

import (
	"net/http"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/tier"
)

// Storage is what a node, or one space of it, has stored.
type Storage struct {
	tier.SpaceStats
	IndexBytes  int64          `json:"index_bytes" desc:"resident for memories whether they are hot or not: ids, versions, tiers, edges"`
	Owner       string         `json:"owner" desc:"who sweeps: node, or who took the eviction settings"`
	HotResident *tier.Usage    `json:"hot_resident,omitempty" desc:"copies on the heap"`
	Moves       []tier.Moved   `json:"moves,omitempty"`
	Pressure    string         `json:"memory_pressure,omitempty" enum:"unknown,calm,high,critical"`
	Exhausted   bool           `json:"exhausted,omitzero" desc:"nothing is left to evict: writes get 507"`
	WAL         *WAL           `json:"wal,omitempty"`
	Memtable    int64          `json:"memtable_bytes,omitzero"`
	Disk        *Disk          `json:"disk,omitempty"`
	ReadOnly    string         `json:"read_only,omitempty" desc:"why writes are refused"`
	Spaces      []SpaceStorage `json:"spaces"`
}

// WAL is the log.
type WAL struct {
	DiskBytes       int64  `json:"disk_bytes"`
	LSN             uint64 `json:"lsn"`
	PendingSegments int    `json:"pending_segments" desc:"sealed, and not yet checkpointed"`
}

// Disk is the file system of the data directory.
type Disk struct {
	TotalBytes     int64 `json:"total_bytes"`
	AvailableBytes int64 `json:"available_bytes"`
}

// SpaceStorage is what one space takes.
type SpaceStorage struct {
	Name          string            `json:"name"`
	Error         string            `json:"error,omitempty" desc:"why it is refused"`
	Memories      int               `json:"memories"`
	Edges         int               `json:"edges"`
	Distribution  tier.Distribution `json:"tier_distribution"`
	IndexBytes    int64             `json:"index_bytes"`
	FileBytes     int64             `json:"file_bytes"`
	UsedBytes     int64             `json:"used_bytes" desc:"the rest of file_bytes is what a compaction gives back"`
	Vectors       int               `json:"vectors"`
	VectorBytes   int64             `json:"vector_file_bytes"`
	DamagedValues int               `json:"damaged"`
}

var storageRoutes = []route{
	{
		method: "GET", path: prefix + "/admin/storage/stats", needs: Read, does: "Tiers, activations, bytes: of the node, or of one space",
		params: []param{paramSpace, paramTimeout}, out: Storage{}, handle: (*exchange).storage,
	},
	{
		method: "GET", path: prefix + "/admin/storage/eviction", needs: Read, does: "Eviction settings",
		params: []param{paramTimeout}, out: Eviction{}, handle: (*exchange).eviction,
	},
	{
		method: "POST", path: prefix + "/admin/storage/eviction", needs: Admin, does: "Change eviction settings; the body may have # comments",
		params: []param{paramTimeout}, in: EvictionChange{}, out: Eviction{}, example: `{"hot_threshold":0.2,"warm_threshold":0.05}`,
		handle: (*exchange).changeEviction,
	},
	{
		method: "POST", path: prefix + "/admin/storage/evict-now", needs: Admin,
		does:   "Evict at once what the settings do not allow where it is, or single memories",
		params: []param{paramSpace, paramTimeout}, in: EvictRequest{}, optional: true, out: Evicted{}, example: `{"ids":["kettle"],"to":"cold"}`,
		handle: (*exchange).evictNow,
	},
}

func (x *exchange) storage() error {
	st := x.api.node.Stats()
	if x.q.get("space") != "" {
		return x.spaceStorage(&st)
	}
	t := &st.Tiers
	out := Storage{
		SpaceStats: t.SpaceStats, IndexBytes: st.IndexBytes, Owner: t.Owner, HotResident: &t.HotResident, Moves: t.Moves, Pressure: t.Pressure,
		Exhausted: t.Exhausted, Memtable: st.Store.MemtableBytes, Spaces: []SpaceStorage{},
		WAL: &WAL{DiskBytes: st.Store.WAL.DiskBytes, LSN: st.Store.WAL.DurableLSN, PendingSegments: st.Store.WAL.SealedPending},
	}
	if st.Disk != nil {
		out.Disk = &Disk{st.Disk.TotalBytes, st.Disk.AvailableBytes}
	}
	if st.Store.ReadOnly != nil {
		out.ReadOnly = st.Store.ReadOnly.Error()
	}
	for i := range st.Spaces {
		out.Spaces = append(out.Spaces, storageOf(&st.Spaces[i]))
	}
	return x.answer(http.StatusOK, out)
}

func (x *exchange) spaceStorage(st *node.Stats) error {
	s, err := x.api.node.Store().Space(x.q.get("space")) // an alias, too
	if err != nil {
		return err
	}
	if err := s.Err(); err != nil {
		return err
	}
	for i := range st.Spaces {
		if one := &st.Spaces[i]; one.ID == s.ID() {
			return x.answer(http.StatusOK, Storage{
				SpaceStats: one.Tiers, IndexBytes: one.IndexBytes + one.Tiers.IndexBytes + one.Graph.Bytes, Owner: st.Tiers.Owner, Spaces: []SpaceStorage{storageOf(one)},
			})
		}
	}
	return node.ErrNoSpace
}

func storageOf(s *node.SpaceStats) SpaceStorage {
	out := SpaceStorage{
		Name: s.Name, Memories: s.Memories, Edges: s.Graph.Edges, Distribution: s.Tiers.Distribution,
		IndexBytes: s.IndexBytes + s.Tiers.IndexBytes + s.Graph.Bytes, FileBytes: s.FileBytes, UsedBytes: s.UsedBytes,
		Vectors: s.Vectors.Count, VectorBytes: s.Vectors.FileBytes, DamagedValues: s.Faults,
	}
	if s.Err != nil {
		out.Error = s.Err.Error()
	}
	return out
}
