package node

import (
	"errors"
	"fmt"

	"github.com/engramd/engramd/node/graph"
	"github.com/engramd/engramd/node/pressure"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
	"github.com/engramd/engramd/node/threads"
	"github.com/engramd/engramd/node/tier"
	"github.com/engramd/engramd/node/vector"
	"golang.org/x/sys/unix"
)

// Stats are what a node tells about itself at one moment.
type Stats struct {
	Spaces []SpaceStats // by name
	Tiers  tier.Stats   // of all spaces together
	Store  store.Stats
	// IndexBytes is what is resident for memories whether they are hot or not: ids, versions, tiers, edges.
	IndexBytes    int64
	Pressure      pressure.State
	Spreading     threads.PoolStats
	Consolidation threads.PoolStats
	// Disk is nil if it could not be read.
	Disk *DiskStats
}

// SpaceStats are those of one space. Of a damaged space only the name and Err are known.
type SpaceStats struct {
	ID         record.SpaceID
	Name       string
	Memories   int
	Err        error
	Tiers      tier.SpaceStats
	Graph      graph.Stats
	Vectors    vector.Stats
	IndexBytes int64 // ids and versions
	FileBytes  int64 // of the base
	UsedBytes  int64 // of them hold something; the rest is what a compaction gives back
	Faults     int   // damaged values and vectors that were found so far, at most 100 of each
}

// DiskStats are the file system that holds the data directory.
type DiskStats struct {
	TotalBytes     int64
	AvailableBytes int64 // for this process
}

// Stats tells about the node.
func (n *Node) Stats() Stats {
	st := Stats{
		Tiers: n.tiers.Stats(), Store: n.store.Stats(), Pressure: n.gauge.State(),
		Spreading: n.workers.spreading.Stats(), Consolidation: n.workers.consolidation.Stats(),
	}
	st.IndexBytes = st.Tiers.IndexBytes
	for _, info := range n.store.Spaces() {
		s := n.spaceStats(info)
		st.IndexBytes += s.Graph.Bytes + s.IndexBytes
		st.Spaces = append(st.Spaces, s)
	}
	if disk, err := n.diskStats(); err == nil {
		st.Disk = &disk
	}
	return st
}

func (n *Node) spaceStats(info store.SpaceInfo) SpaceStats {
	out := SpaceStats{ID: info.ID, Name: info.Name, Memories: info.Count, Err: info.Err}
	s, err := n.store.Space(info.Name)
	if err = errors.Join(err, info.Err); err != nil {
		out.Err = err
		return out
	}
	v := viewsOf(s)
	out.Tiers, out.Graph, out.Vectors = v.tiers.Stats(), v.graph.Stats(), v.vectors.Stats()
	out.IndexBytes = s.IndexBytes()
	out.Faults = len(s.Faults()) + len(v.vectors.Faults())
	out.FileBytes, out.UsedBytes, out.Err = s.Size()
	return out
}

func (n *Node) diskStats() (DiskStats, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(n.opts.DataDir, &fs); err != nil {
		return DiskStats{}, fmt.Errorf("read the size of the file system of %s: %w", n.opts.DataDir, err)
	}
	block := int64(fs.Bsize)
	return DiskStats{TotalBytes: int64(fs.Blocks) * block, AvailableBytes: int64(fs.Bavail) * block}, nil
}
