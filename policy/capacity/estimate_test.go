package capacity_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/engramd/engramd/policy/capacity"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var example = capacity.Workload{
	Memories: 1_000_000, ActiveRatio: 0.1, EdgesPerMemory: 50, OpsPerSec: 5000, RetentionDays: 30, ConsolidationInterval: 300,
}

// By hand, `capacity 1000000 0.1 50 5000 30 300`, mixed (.4 writes, .6 reads, all factors 1):
//
//	hot 100,000, warm 300,000, cold 600,000
//	hot        (100000 × 3136 + 100000 × 50 × 32) × 1.5 = 473,600,000 × 1.5   =   710,400,000
//	warm       300000 × 3072 × 0.1                                            =    92,160,000
//	cold       600000 × 10/8 + 600000/128 × 64 = 750,000 + 300,000            =     1,050,000
//	activation 5000 × 0.01 × 8192                                             =       409,600
//	runtime    500 MiB                                                        =   524,288,000
//	needed                                                                    = 1,328,307,600 (1,266.8 MiB)
//	           × 1.25 = 1,660,384,500, × 1.5 = 1,992,461,400
//	cores      5000 × .6/2500 + 100000 × .4/300/50000 + 5000/5000 + 1 = 1.2 + 0.0026667 + 1 + 1 = 3.2026667; × 1.5 = 4.804: 8
//	warm disk  300000 × 3136 × 1.3                                            = 1,223,040,000
//	cold disk  600000 × 3072 × 0.4                                            =   737,280,000, together 1,960,320,000
//	log        5000 × .4 × 86400 × 30 × 256 × 0.7 = 5,184,000,000 × 179.2     = 928,972,800,000 (865.2 GiB)
//	snapshots  1,960,320,000 × 5 × 0.3                                        = 2,940,480,000
//	compaction 1,960,320,000 × 0.1                                            =   196,032,000
//	needed                                                                    = 934,069,632,000
//	           × 1.5 = 1,401,104,448,000 (1,304.9 GiB)
//	IOPS       5000 × .4 × 1.5 + 5000 × .6 × .3 = 3000 + 900 = 3900; network 5000 × 4608 = 23,040,000
func TestTheGuidesOwnArithmetic(t *testing.T) {
	got, err := capacity.Guide().Estimate(example)
	if err != nil {
		t.Fatal(err)
	}
	mixed := example
	mixed.Profile = "mixed"
	want := capacity.Estimate{
		Model: "guide", Workload: mixed,
		Tiers: capacity.Tiers{Hot: 100_000, Warm: 300_000, Cold: 600_000},
		Cores: capacity.Cores{Reads: 1.2, Consolidation: 0.4 / 150, Activation: 1, Needed: 3.2 + 0.4/150, Recommended: 8},
		Memory: capacity.Memory{
			Hot: 710_400_000, Warm: 92_160_000, Cold: 1_050_000, Activation: 409_600, Runtime: 524_288_000,
			Needed: 1_328_307_600, Recommended: 1_660_384_500, Peak: 1_992_461_400,
		},
		Storage: capacity.Storage{
			Warm: 1_223_040_000, Cold: 737_280_000, Data: 1_960_320_000, Log: 928_972_800_000,
			Snapshots: 2_940_480_000, Compaction: 196_032_000, Needed: 934_069_632_000, Recommended: 1_401_104_448_000,
		},
		IOPS: 3900, NetworkBytes: 23_040_000,
	}
	if d := cmp.Diff(want, got, cmpopts.EquateApprox(1e-12, 0)); d != "" {
		t.Error(d)
	}
}

// Write-heavy by hand: reads 5000 × .2/2500 × .9 = 0.36; consolidation 100000 × .8/300/50000 × .9 = 0.0048; activation 1 × .9; + 1 = 2.2648;
// × 1.5 = 3.3972: 4. Memory 1,328,307,600 × 1.2 = 1,593,969,120. Log 5000 × .8 × 2,592,000 × 179.2 × 1.5 = 2,786,918,400,000.
func TestAProfileMultiplies(t *testing.T) {
	w := example
	w.Profile = "write-heavy"
	got := estimate(t, capacity.Guide(), w)
	if math.Abs(got.Cores.Needed-2.2648) > 1e-9 || got.Cores.Recommended != 4 {
		t.Errorf("cores %+v", got.Cores)
	}
	if got.Memory.Needed != 1_593_969_120 || got.Storage.Log != 2_786_918_400_000 || math.Abs(got.IOPS-6300) > 1e-9 {
		t.Errorf("memory %d, log %d, IOPS %v", got.Memory.Needed, got.Storage.Log, got.IOPS)
	}
}

// Corrected, by hand: index 1e6 × (93 + 50 × 10) × 2 = 1,186,000,000; hot 100000 × 350 × 2 = 70,000,000; activation 409,600;
// runtime 96 MiB = 100,663,296; together 1,357,072,896. Vectors 1e6 × 3104 in the page cache.
// Disk: hot 100000 × 264 × 1.3 = 34,320,000, warm 102,960,000, cold 600000 × 264 × .5 = 79,200,000, vectors 3,104,000,000,
// edges 500,000,000: 3,820,480,000; log 1 GiB; snapshots × 9; compaction × 1.
func TestCorrected(t *testing.T) {
	got := estimate(t, capacity.Corrected(), example)
	if got.Memory.Needed != 1_357_072_896 || got.Memory.PageCache != 3_104_000_000 {
		t.Errorf("memory %+v", got.Memory)
	}
	if got.Storage.Data != 3_820_480_000 || got.Storage.Log != 1<<30 || got.Storage.Needed != 11*3_820_480_000+1<<30 {
		t.Errorf("storage %+v", got.Storage)
	}
	// Consolidation reads all memories: 1e6/300/50000.
	if math.Abs(got.Cores.Consolidation-1e6/300/50000) > 1e-12 || got.Cores.Recommended != 8 {
		t.Errorf("cores %+v", got.Cores)
	}
}

// docs/benchmarks.md and the node's bench: 330 to 585 MB of RssAnon with 1M memories of 200 bytes, 10 edges each, without vectors.
func TestCorrectedIsWithinWhatWasMeasured(t *testing.T) {
	w := example
	w.EdgesPerMemory = 10
	got := estimate(t, capacity.CorrectedFor(capacity.Shape{ContentBytes: 200}), w)
	if got.Memory.Needed < 330e6 || got.Memory.Needed > 585e6 {
		t.Errorf("%d bytes for what took 330 to 585 MB", got.Memory.Needed)
	}
	if got.Memory.PageCache != 0 || got.Storage.Vectors != 0 {
		t.Errorf("vectors of no dimension take room: %+v %+v", got.Memory, got.Storage)
	}
}

func TestNoColdMemoriesAreNeverFewerThanNone(t *testing.T) {
	w := example
	w.ActiveRatio = 0.25
	if got := estimate(t, capacity.Guide(), w); got.Tiers.Cold != 0 || len(got.Warnings) != 0 {
		t.Errorf("at a quarter: %+v %q", got.Tiers, got.Warnings)
	}
	w.ActiveRatio = 0.4
	guide, corrected := estimate(t, capacity.Guide(), w), estimate(t, capacity.Corrected(), w)
	if want := (capacity.Tiers{Hot: 400_000, Warm: 1_200_000}); guide.Tiers != want || len(guide.Warnings) != 1 {
		t.Errorf("guide: %+v %q", guide.Tiers, guide.Warnings)
	}
	if want := (capacity.Tiers{Hot: 400_000, Warm: 600_000}); corrected.Tiers != want || len(corrected.Warnings) != 1 {
		t.Errorf("corrected: %+v %q", corrected.Tiers, corrected.Warnings)
	}
}

func TestImpossibleInputIsRefusedWithTheReason(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*capacity.Workload)
		want   string
	}{
		"ratio above 1":     {func(w *capacity.Workload) { w.ActiveRatio = 1.5 }, "active_ratio: 1.5 is above 1"},
		"negative":          {func(w *capacity.Workload) { w.Memories = -1 }, "nodes: -1 is negative"},
		"not a number":      {func(w *capacity.Workload) { w.OpsPerSec = math.NaN() }, "ops_per_sec: it is not a number"},
		"infinite":          {func(w *capacity.Workload) { w.RetentionDays = math.Inf(1) }, "retention_days: it is beyond"},
		"zero interval":     {func(w *capacity.Workload) { w.ConsolidationInterval = 0 }, "consolidation_interval_s: it is zero"},
		"half a memory":     {func(w *capacity.Workload) { w.Memories = 1.5 }, "nodes: 1.5 is not a whole number"},
		"unknown profile":   {func(w *capacity.Workload) { w.Profile = "bursty" }, `workload: "bursty" is none of`},
		"overflow":          {func(w *capacity.Workload) { w.Memories = 1e300 }, "beyond 4 EiB"},
		"overflow of edges": {func(w *capacity.Workload) { w.EdgesPerMemory = 1e17 }, "beyond 4 EiB"},
		"overflow of ops":   {func(w *capacity.Workload) { w.OpsPerSec = math.MaxFloat64 }, "beyond 4 EiB"},
		"interval so small": {func(w *capacity.Workload) { w.ConsolidationInterval = 5e-324 }, "beyond 4 EiB"},
	} {
		t.Run(name, func(t *testing.T) {
			w := example
			c.change(&w)
			for _, m := range []capacity.Model{capacity.Guide(), capacity.Corrected()} {
				if _, err := m.Estimate(w); !errors.Is(err, capacity.ErrImpossible) || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%s: got %v, want %q", m.Name, err, c.want)
				}
			}
		})
	}
	w := capacity.Workload{Memories: -1, ActiveRatio: 2}
	if _, err := capacity.Guide().Estimate(w); err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("want all three faults at once, got %v", err)
	}
}

// Nothing that is larger makes a node need less.
func TestMonotoneInEachInput(t *testing.T) {
	grow := map[string]func(*capacity.Workload, float64){
		"nodes":          func(w *capacity.Workload, f float64) { w.Memories = math.Ceil(w.Memories * f) },
		"active_ratio":   func(w *capacity.Workload, f float64) { w.ActiveRatio = min(1, w.ActiveRatio*f) },
		"edges":          func(w *capacity.Workload, f float64) { w.EdgesPerMemory *= f },
		"ops":            func(w *capacity.Workload, f float64) { w.OpsPerSec *= f },
		"retention_days": func(w *capacity.Workload, f float64) { w.RetentionDays *= f },
		"interval":       func(w *capacity.Workload, f float64) { w.ConsolidationInterval /= f },
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		w := capacity.Workload{
			Memories: math.Round(math.Exp(random.Float64() * 20)), ActiveRatio: random.Float64(), EdgesPerMemory: random.Float64() * 100,
			OpsPerSec: random.Float64() * 1e5, RetentionDays: random.Float64() * 100, ConsolidationInterval: 1 + random.Float64()*1000,
			Profile: capacity.Profiles()[random.IntN(4)].Name,
		}
		for name, change := range grow {
			more := w
			change(&more, 1+random.Float64())
			for _, m := range []capacity.Model{capacity.Guide(), capacity.Corrected()} {
				a, b := figures(estimate(t, m, w)), figures(estimate(t, m, more))
				for i := range a {
					if b[i] < a[i] {
						t.Fatalf("%s: more %s: figure %d falls from %v to %v\n%+v\n%+v", m.Name, name, i, a[i], b[i], w, more)
					}
				}
			}
		}
	}
}

// figures are those that must not be negative, nor fall when a workload grows.
func figures(e capacity.Estimate) []float64 {
	return []float64{
		e.Cores.Needed, float64(e.Cores.Recommended), float64(e.Memory.Hot), float64(e.Memory.Index), float64(e.Memory.Needed),
		float64(e.Memory.Recommended), float64(e.Memory.Peak), float64(e.Memory.PageCache), float64(e.Storage.Data), float64(e.Storage.Log),
		float64(e.Storage.Needed), float64(e.Storage.Recommended), e.IOPS, float64(e.NetworkBytes),
	}
}

func FuzzEstimate(f *testing.F) {
	f.Add(1e6, 0.1, 50.0, 5000.0, 30.0, 300.0, "mixed")
	f.Add(0.0, 1.0, 0.0, 0.0, 0.0, 1e-300, "")
	f.Add(1e308, 1.0, 1e308, 1e308, 1e308, 1e308, "analytical")
	f.Fuzz(func(t *testing.T, nodes, ratio, edges, ops, days, interval float64, profile string) {
		w := capacity.Workload{nodes, ratio, edges, ops, days, interval, profile}
		for _, m := range []capacity.Model{capacity.Guide(), capacity.Corrected()} {
			e, err := m.Estimate(w)
			if err != nil {
				if !errors.Is(err, capacity.ErrImpossible) {
					t.Fatal(err)
				}
				continue
			}
			for i, v := range append(figures(e), float64(e.Tiers.Hot), float64(e.Tiers.Warm), float64(e.Tiers.Cold)) {
				if math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
					t.Errorf("%s: figure %d is %v for %+v", m.Name, i, v, w)
				}
			}
			if e.Memory.Peak < e.Memory.Needed || e.Storage.Recommended < e.Storage.Needed || float64(e.Cores.Recommended) < e.Cores.Needed {
				t.Errorf("%s: recommends less than is needed: %+v", m.Name, e)
			}
		}
	})
}

func estimate(t *testing.T, m capacity.Model, w capacity.Workload) capacity.Estimate {
	t.Helper()
	e, err := m.Estimate(w)
	if err != nil {
		t.Fatal(err)
	}
	return e
}
