package view_test

import (
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/engramd/engramd/node/api"
	"github.com/engramd/engramd/node/api/view"
	"github.com/engramd/engramd/node/snapshot"
	"github.com/engramd/engramd/node/tier"
)

var update = flag.Bool("update", false, "write the golden files")

func TestViews(t *testing.T) {
	near := 0.81234
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	storage := api.Storage{
		SpaceStats: tier.SpaceStats{
			Distribution: tier.Distribution{Hot: 10, Warm: 30, Cold: 60, Total: 100},
			Desired:      tier.Distribution{Hot: 8, Warm: 30, Cold: 62, Total: 100},
			StoredBytes:  tier.Distribution{Hot: 2000, Warm: 6000, Cold: 4_000_000, Total: 4_008_000},
		},
		IndexBytes: 123 << 20, Owner: "node", HotResident: &tier.Usage{Bytes: 1 << 20, LimitBytes: 1 << 30}, Pressure: "calm",
		WAL: &api.WAL{DiskBytes: 128 << 20, PendingSegments: 1}, Disk: &api.Disk{TotalBytes: 10 << 30, AvailableBytes: 1 << 30},
		Spaces: []api.SpaceStorage{
			{Name: "default", Memories: 90, Edges: 200, FileBytes: 5 << 20, UsedBytes: 4 << 20, IndexBytes: 9999},
			{Name: "work", Memories: 10, Vectors: 10, DamagedValues: 2},
			{Name: "broken", Error: "page 7 is damaged:\nrestore it"},
		},
	}
	troubled := storage
	troubled.Exhausted, troubled.ReadOnly, troubled.Owner = true, "a sync failed", "agent"
	hits := []api.Recalled{
		{Memory: api.Memory{ID: "kettle", Content: "is in the\tleft cupboard, where everybody looks for it last of all, always\x1b[2J"}, Activation: 1, Tier: tier.Hot, Path: []string{"kettle"}},
		{Memory: api.Memory{ID: "tea", Content: "a drink"}, Activation: 0.56, Similarity: &near, Tier: tier.Cold, Path: []string{"kettle", "tea"}},
	}
	shot := snapshot.Info{
		Manifest: snapshot.Manifest{Name: "20261122T120000Z-default", Space: "default", Memories: 90, Edges: 200, CreatedAt: noon}, Bytes: 3 << 30,
		Told: snapshot.Told{VerifiedAt: noon.Add(time.Hour), ArchivedTo: []snapshot.Archive{{URL: "file:///backup"}}},
	}
	damaged := shot
	damaged.Name, damaged.Damage, damaged.Told.ArchivedTo = "20261121T120000Z-default", "base.db: another checksum", nil
	for name, write := range map[string]func(io.Writer) error{
		"storage":          func(w io.Writer) error { return view.Storage(w, storage) },
		"storage_troubled": func(w io.Writer) error { return view.Storage(w, troubled) },
		"storage_empty":    func(w io.Writer) error { return view.Storage(w, api.Storage{Owner: "node"}) },
		"evicted": func(w io.Writer) error {
			return view.Swept(w, api.Evicted{Swept: tier.Swept{HotToWarm: 3, WarmToCold: 9}})
		},
		"evicted_ids": func(w io.Writer) error { return view.EvictedIDs(w, api.Evicted{Evicted: 1}) },
		"compacted": func(w io.Writer) error {
			return view.Compacted(w, api.Compacted{Space: "default", BeforeBytes: 5 << 20, AfterBytes: 1 << 20})
		},
		"spreading": func(w io.Writer) error {
			return view.Spreading(w, api.Spreading{
				Hits: []api.Activated{{ID: "kettle", Activation: 1, Path: []string{"kettle"}}, {ID: "tea", Activation: 0.56, Path: []string{"kettle", "tea"}}},
				Hops: 1, Reached: 5, Partial: true, Absent: []string{"nobody"},
			})
		},
		"spreading_none": func(w io.Writer) error { return view.Spreading(w, api.Spreading{}) },
		"recollection": func(w io.Writer) error {
			return view.Recollection(w, api.Recollection{Hits: hits, Hops: 3, Reached: 2})
		},
		"spaces": func(w io.Writer) error {
			return view.Spaces(w, api.Spaces{Spaces: []api.Space{{Name: "default", CreatedAt: noon}, {Name: "work", Aliases: []string{"w"}, Dimension: 3, Memories: 1, Error: "damaged"}}})
		},
		"snapshots": func(w io.Writer) error {
			return view.Snapshots(w, api.Snapshots{Snapshots: []snapshot.Info{shot, damaged}})
		},
		"snapshots_none": func(w io.Writer) error { return view.Snapshots(w, api.Snapshots{}) },
	} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			if err := write(&b); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), b.String()); diff != "" {
				t.Errorf("(-want +got); go test -update rewrites it:\n%s", diff)
			}
		})
	}
}

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1536: "1.5 KiB", 100 << 20: "100 MiB", 3 << 30: "3.0 GiB"} {
		if got := view.Bytes(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
