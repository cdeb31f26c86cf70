package view

import (
	"fmt"
	"io"
	"strings"

	"github.com/engramd/engramd/node/api"
)

// Storage writes the statistics of a node, or of one space.
func Storage(w io.Writer, s api.Storage) error {
	p := &page{}
	d, stored := s.Distribution, s.StoredBytes
	rows := [][]string{}
	for _, one := range []struct {
		name          string
		count, wanted int64
		bytes         int64
	}{
		{"hot", d.Hot, s.Desired.Hot, stored.Hot}, {"warm", d.Warm, s.Desired.Warm, stored.Warm}, {"cold", d.Cold, s.Desired.Cold, stored.Cold},
		{"all", d.Total, s.Desired.Total, stored.Total},
	} {
		rows = append(rows, []string{one.name, number(one.count), percent(one.count, d.Total), number(one.wanted), Bytes(one.bytes)})
	}
	p.table("TIER MEMORIES SHARE DUE STORED", rows)
	p.line("")
	p.line("%s", strings.Join(facts(s), "; "))
	p.WriteString("\n")
	rows = nil
	for _, one := range s.Spaces {
		state := "ok"
		switch {
		case one.Error != "":
			state = one.Error
		case one.DamagedValues > 0:
			state = fmt.Sprintf("%d damaged", one.DamagedValues)
		}
		rows = append(rows, []string{one.Name, number(one.Memories), number(one.Edges), number(one.Vectors), Bytes(one.FileBytes), Bytes(one.UsedBytes), Bytes(one.IndexBytes), state})
	}
	p.table("SPACE MEMORIES EDGES VECTORS FILE USED INDEX STATE", rows)
	return p.to(w)
}

// EvictedIDs writes how many of single memories were moved; the others were there already.
func EvictedIDs(w io.Writer, e api.Evicted) error {
	p := &page{}
	p.line("%s evicted", count(e.Evicted, "memory", "memories"))
	return p.to(w)
}

// Swept writes what a sweep did.
func Swept(w io.Writer, e api.Evicted) error {
	p := &page{}
	p.line("hot to warm %d, warm to hot %d, warm to cold %d (in the background)", e.HotToWarm, e.WarmToHot, e.WarmToCold)
	return p.to(w)
}

// facts are what is known of the node as a whole.
func facts(s api.Storage) []string {
	all := []string{"index " + Bytes(s.IndexBytes) + " resident"}
	if h := s.HotResident; h != nil {
		all = append(all, fmt.Sprintf("hot copies %s of %s", Bytes(h.Bytes), Bytes(h.LimitBytes)))
	}
	if s.Pressure != "" {
		all = append(all, "memory pressure "+s.Pressure)
	}
	if s.Exhausted {
		all = append(all, "nothing left to evict: writes are refused")
	}
	all = append(all, "eviction by "+s.Owner)
	if l := s.WAL; l != nil {
		all = append(all, fmt.Sprintf("log %s, %s to checkpoint", Bytes(l.DiskBytes), count(l.PendingSegments, "segment", "segments")))
	}
	if d := s.Disk; d != nil {
		all = append(all, fmt.Sprintf("disk %s free of %s", Bytes(d.AvailableBytes), Bytes(d.TotalBytes)))
	}
	if s.ReadOnly != "" {
		all = append(all, "READ-ONLY: "+s.ReadOnly)
	}
	return all
}

// Compacted writes what a compaction gave back.
func Compacted(w io.Writer, c api.Compacted) error {
	p := &page{}
	p.line("%s: %s before, %s now", c.Space, Bytes(c.BeforeBytes), Bytes(c.AfterBytes))
	return p.to(w)
}
