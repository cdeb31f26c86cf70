package diagnose_test

import (
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/engramd/engramd/policy/diagnose"
)

// n makes numbers of pairs: a measure and its value.
func n(pairs ...any) []diagnose.Number {
	var all []diagnose.Number
	for i := 0; i < len(pairs); i += 2 {
		var v float64
		switch x := pairs[i+1].(type) {
		case int:
			v = float64(x)
		case float64:
			v = x
		}
		all = append(all, diagnose.Number{Measure: pairs[i].(diagnose.Measure), Value: v})
	}
	return all
}

// calm is a process of which everything was measured, and which is short of nothing.
func calm() []diagnose.Number {
	return n(diagnose.CoresUsed, 0.1, diagnose.CoresLimit, 4, diagnose.RunQueue, 0, diagnose.Throttled, 0, diagnose.LockWaiters, 0.001,
		diagnose.BusiestThread, 0.05, diagnose.BlockedIO, 0, diagnose.HostIOStall, 0, diagnose.IOStall, 0, diagnose.MemoryUse, 0.2,
		diagnose.MemoryStall, 0, diagnose.GCShare, 0.01, diagnose.NUMANodes, 1, diagnose.NetworkUse, 0.01, diagnose.Retransmits, 0, diagnose.QueueDepth, 0)
}

// but is calm with some numbers instead.
func but(pairs ...any) []diagnose.Number {
	other := n(pairs...)
	all := slices.DeleteFunc(calm(), func(c diagnose.Number) bool {
		return slices.ContainsFunc(other, func(o diagnose.Number) bool { return o.Measure == c.Measure })
	})
	return append(all, other...)
}

func verdict(t *testing.T, r diagnose.Report, c diagnose.Cause) diagnose.Verdict {
	t.Helper()
	f, ok := r.Cause(c)
	if !ok {
		t.Fatalf("nothing is said of %s", c)
	}
	return f.Verdict
}

func TestDiagnose(t *testing.T) {
	tests := map[string]struct {
		numbers []diagnose.Number
		likely  []diagnose.Cause // in order
		also    map[diagnose.Cause]diagnose.Verdict
		summary string
	}{
		"nothing was measured":            {nil, nil, map[diagnose.Cause]diagnose.Verdict{diagnose.Lock: diagnose.Unknown, diagnose.Load: diagnose.Unknown}, "nothing was measured"},
		"nothing that tells was measured": {n(diagnose.CoresUsed, 1), nil, nil, "what was measured does not tell"},
		"one thing was measured": {
			n(diagnose.Throttled, 0), nil, map[diagnose.Cause]diagnose.Verdict{diagnose.Throttling: diagnose.RuledOut},
			"nothing of what was measured holds it back; unknown: lock contention, CPU saturation, work on too few threads, memory pressure, " +
				"memory bandwidth, remote NUMA access, disk I/O, network, the load itself",
		},
		"nothing is short, and it waits": {
			but(diagnose.CoresUsed, 3, diagnose.CostGrowth, 1), []diagnose.Cause{}, nil,
			"nothing of what was measured holds it back: it waits for something else (another service, its callers)",
		},
		"work beyond all bounds": {
			n(diagnose.SpreadingWork, math.MaxFloat64, diagnose.ConsolidationWork, math.MaxFloat64, diagnose.APIWork, 1, diagnose.SnapshotWork, 1), nil,
			map[diagnose.Cause]diagnose.Verdict{diagnose.Spreading: diagnose.Unknown, diagnose.API: diagnose.Unknown}, "",
		},
		"calm": {calm(), []diagnose.Cause{diagnose.Load}, map[diagnose.Cause]diagnose.Verdict{
			diagnose.Lock: diagnose.RuledOut, diagnose.CPU: diagnose.RuledOut, diagnose.Disk: diagnose.RuledOut, diagnose.NUMA: diagnose.RuledOut,
			diagnose.Memory: diagnose.RuledOut, diagnose.Network: diagnose.RuledOut, diagnose.Throttling: diagnose.RuledOut, diagnose.Serial: diagnose.RuledOut,
		}, "the load itself (it uses 2.5% of the cores that it can use)"},
		"the guide's lock: workers wait for one another": {
			but(diagnose.LockWaiters, 15.1, diagnose.CoresUsed, 1.02, diagnose.QueueDepth, 3), []diagnose.Cause{diagnose.Lock},
			map[diagnose.Cause]diagnose.Verdict{diagnose.Load: diagnose.RuledOut, diagnose.CPU: diagnose.RuledOut},
			"lock contention (15.1 goroutines wait for a lock at any time)",
		},
		"a lock, and no more is known": {n(diagnose.LockWaiters, 1), []diagnose.Cause{diagnose.Lock}, nil, "lock contention (1 goroutine waits for a lock at any time)"},
		"some wait for a lock among many requests": {
			but(diagnose.LockWaiters, 0.6, diagnose.InFlight, 100, diagnose.CoresUsed, 3.9, diagnose.RunQueue, 8), []diagnose.Cause{diagnose.CPU}, nil, "",
		},
		"some wait for a lock while a disk holds all up": { // measured: what holds it waits for the disk
			n(diagnose.LockWaiters, 0.51, diagnose.BlockedIO, 9.4, diagnose.HostIOStall, 0.89, diagnose.DiskBusy, 0.98, diagnose.CoresUsed, 0.07, diagnose.CoresLimit, 2),
			[]diagnose.Cause{diagnose.Disk}, map[diagnose.Cause]diagnose.Verdict{diagnose.Lock: diagnose.Possible, diagnose.Load: diagnose.RuledOut}, "",
		},
		"workers wait for a lock, and many for a worker": {
			but(diagnose.LockWaiters, 0.97, diagnose.InFlight, 60, diagnose.QueueDepth, 58), []diagnose.Cause{diagnose.Lock},
			map[diagnose.Cause]diagnose.Verdict{diagnose.Spreading: diagnose.Likely}, "",
		},
		"who waits for a worker is not known, and so neither which share waits for a lock": {
			n(diagnose.LockWaiters, 0.97, diagnose.InFlight, 60), []diagnose.Cause{diagnose.Lock}, nil, "",
		},
		"all cores are used": {
			but(diagnose.CoresUsed, 3.8, diagnose.RunQueue, 12, diagnose.BusiestThread, 0.95), []diagnose.Cause{diagnose.CPU},
			map[diagnose.Cause]diagnose.Verdict{diagnose.Serial: diagnose.RuledOut, diagnose.Load: diagnose.RuledOut}, "",
		},
		"the quota, not the cores": {
			but(diagnose.CoresUsed, 0.98, diagnose.CoresLimit, 1, diagnose.Throttled, 0.6), []diagnose.Cause{diagnose.Throttling}, nil, "",
		},
		"one thread": {
			but(diagnose.CoresUsed, 1.01, diagnose.BusiestThread, 0.99), []diagnose.Cause{diagnose.Serial},
			map[diagnose.Cause]diagnose.Verdict{diagnose.Load: diagnose.RuledOut}, "work on too few threads (its busiest thread runs 99% of the time)",
		},
		"memory is out": {but(diagnose.MemoryUse, 0.97, diagnose.MemoryStall, 0.2, diagnose.OOMKills, 1), []diagnose.Cause{diagnose.Memory}, nil, ""},
		"the collector works most": {
			but(diagnose.MemoryUse, 0.9, diagnose.GCShare, 0.6, diagnose.CoresUsed, 3, diagnose.MemoryStall, 0.02), []diagnose.Cause{diagnose.Memory}, nil, "",
		},
		"remote memory": {but(diagnose.NUMANodes, 2, diagnose.NUMALocal, 0.55), []diagnose.Cause{diagnose.NUMA, diagnose.Load}, nil, ""},
		"a disk": {
			but(diagnose.BlockedIO, 7.5, diagnose.HostIOStall, 0.8, diagnose.IOStall, 0.7), []diagnose.Cause{diagnose.Disk},
			map[diagnose.Cause]diagnose.Verdict{diagnose.Load: diagnose.RuledOut}, "disk I/O (7.5 of its threads wait for a disk)",
		},
		"a link": {but(diagnose.NetworkUse, 0.93), []diagnose.Cause{}, map[diagnose.Cause]diagnose.Verdict{diagnose.Network: diagnose.Possible}, ""},
		"a link that loses": {
			but(diagnose.NetworkUse, 0.93, diagnose.Retransmits, 0.06, diagnose.NetworkDrops, 50), []diagnose.Cause{diagnose.Network}, map[diagnose.Cause]diagnose.Verdict{diagnose.Load: diagnose.RuledOut}, "",
		},
		"spreading is what waits": {
			but(diagnose.QueueDepth, 60, diagnose.SpreadingBusy, 1, diagnose.CoresUsed, 3.9, diagnose.RunQueue, 2), []diagnose.Cause{diagnose.CPU},
			map[diagnose.Cause]diagnose.Verdict{diagnose.Spreading: diagnose.Likely}, "CPU saturation (it uses 97.5% of the cores that it can use); in spreading (60 jobs wait for a worker)",
		},
		"snapshots take the time": {
			but(diagnose.SpreadingWork, 0.1, diagnose.APIWork, 0.1, diagnose.ConsolidationWork, 0, diagnose.SnapshotWork, 1), nil,
			map[diagnose.Cause]diagnose.Verdict{diagnose.Snapshots: diagnose.Likely, diagnose.Consolidation: diagnose.RuledOut, diagnose.Spreading: diagnose.RuledOut}, "",
		},
		"of several parts the worst counts": {
			append(but(diagnose.LockWaiters, 3, diagnose.NUMANodes, 2, diagnose.NUMALocal, 0.5), n(diagnose.LockWaiters, 0, diagnose.NUMALocal, 1)...),
			[]diagnose.Cause{diagnose.Lock, diagnose.NUMA}, nil, "",
		},
		"of several parts the worst counts, in another order": {
			append(n(diagnose.LockWaiters, 0, diagnose.NUMALocal, 1), but(diagnose.LockWaiters, 3, diagnose.NUMANodes, 2, diagnose.NUMALocal, 0.5)...),
			[]diagnose.Cause{diagnose.Lock, diagnose.NUMA}, nil, "",
		},
		"of work that is known in part nothing is said": {
			but(diagnose.SpreadingWork, 5), nil, map[diagnose.Cause]diagnose.Verdict{diagnose.Spreading: diagnose.Unknown, diagnose.API: diagnose.Unknown, diagnose.Snapshots: diagnose.Unknown}, "",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := diagnose.Diagnose(tt.numbers)
			var likely []diagnose.Cause
			for _, f := range r.Likely() {
				likely = append(likely, f.Cause)
			}
			if tt.likely != nil && !slices.Equal(likely, tt.likely) {
				t.Errorf("likely %v, want %v: %s", likely, tt.likely, r.Summary)
			}
			for c, want := range tt.also {
				if got := verdict(t, r, c); got != want {
					t.Errorf("%s is %s, want %s", c, got, want)
				}
			}
			if tt.summary != "" && r.Summary != tt.summary {
				t.Errorf("%q, want %q", r.Summary, tt.summary)
			}
		})
	}
}

// Without evidence nothing is a cause, and everything says what is missing.
func TestNothingIsKnownOfNothing(t *testing.T) {
	for name, numbers := range map[string][]diagnose.Number{
		"none": nil,
		"nonsense": n(diagnose.LockWaiters, math.NaN(), diagnose.CPUUse, math.Inf(1), diagnose.RunQueue, -1, diagnose.Throttled, math.Inf(-1),
			diagnose.Measure("no such measure"), 5),
	} {
		r := diagnose.Diagnose(numbers)
		for _, f := range slices.Concat(r.Causes, r.Work) {
			if f.Verdict != diagnose.Unknown || len(f.For)+len(f.Against) > 0 || len(f.Missing) == 0 || f.Remedy == "" || f.Title == "" {
				t.Errorf("%s: %+v", name, f)
			}
		}
	}
}

// some draws a few numbers of any measures, some of them nonsense.
func some(r *rand.Rand) []diagnose.Number {
	var all []diagnose.Number
	for range r.IntN(24) {
		all = append(all, one(r))
	}
	return all
}

func one(r *rand.Rand) diagnose.Number {
	scale := []float64{0.001, 0.03, 0.3, 1, 3, 100}
	v := r.Float64() * scale[r.IntN(len(scale))]
	switch r.IntN(20) {
	case 0:
		v = math.NaN()
	case 1:
		v = -v
	case 2:
		v = math.Inf(1)
	case 3:
		v = 0
	}
	return diagnose.Number{Measure: measures[r.IntN(len(measures))], Value: v}
}

var measures = diagnose.Measures()

func TestOrderDoesNotMatter(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		numbers := some(r)
		want := diagnose.Diagnose(numbers)
		r.Shuffle(len(numbers), func(i, j int) { numbers[i], numbers[j] = numbers[j], numbers[i] })
		if diff := cmp.Diff(want, diagnose.Diagnose(numbers)); diff != "" {
			t.Fatalf("%v: %s", numbers, diff)
		}
	}
}

func TestNonsenseIsAbsent(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		numbers := some(r)
		clean := slices.DeleteFunc(slices.Clone(numbers), func(n diagnose.Number) bool {
			return math.IsNaN(n.Value) || math.IsInf(n.Value, 0) || n.Value < 0
		})
		if diff := cmp.Diff(diagnose.Diagnose(clean), diagnose.Diagnose(numbers)); diff != "" {
			t.Fatalf("%v: %s", numbers, diff)
		}
	}
}

var rank = map[diagnose.Verdict]int{diagnose.RuledOut: 0, diagnose.Unknown: 1, diagnose.Possible: 2, diagnose.Likely: 3}

// What is told against a cause by one number more never makes it more likely, and what is told for it never
// less, whatever else is known.
func TestEvidenceAgainstNeverRaisesAVerdict(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	against, pro := 0, 0
	for range 3000 {
		numbers := some(r)
		before := diagnose.Diagnose(numbers)
		after := diagnose.Diagnose(append(numbers, one(r)))
		for _, f := range slices.Concat(before.Causes, before.Work) {
			now, _ := after.Cause(f.Cause)
			more, less := added(f.For, now.For), added(f.Against, now.Against)
			if !more && less {
				against++
				if rank[now.Verdict] > rank[f.Verdict] {
					t.Fatalf("%s was %s and is %s by evidence against it: %v", f.Cause, f.Verdict, now.Verdict, numbers)
				}
			}
			if more && !less && len(now.Against) == 0 {
				pro++
				if rank[now.Verdict] < rank[f.Verdict] {
					t.Fatalf("%s was %s and is %s by evidence for it: %v", f.Cause, f.Verdict, now.Verdict, numbers)
				}
			}
		}
	}
	if against < 100 || pro < 100 {
		t.Errorf("only %d and %d cases were tried", against, pro)
	}
}

// added tells whether some evidence is new, while none went.
func added(before, now []diagnose.Evidence) bool {
	for _, b := range before {
		if !slices.Contains(now, b) {
			return false
		}
	}
	return len(now) > len(before)
}

// A verdict holds what is said: likely and possible have evidence, ruled out has some against it.
func TestVerdictsHaveTheirEvidence(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 500 {
		numbers := some(r)
		d := diagnose.Diagnose(numbers)
		for _, f := range slices.Concat(d.Causes, d.Work) {
			switch {
			case rank[f.Verdict] >= rank[diagnose.Possible] && len(f.For) == 0, f.Verdict == diagnose.RuledOut && len(f.Against) == 0:
				t.Fatalf("%+v of %v", f, numbers)
			}
			for _, e := range slices.Concat(f.For, f.Against) {
				if e.Text == "" || e.Source == "" || e.Bound == "" {
					t.Fatalf("%+v", e)
				}
			}
		}
	}
}

// several is one thing that is told of as of several.
var several = regexp.MustCompile(`\b1( \w+){1,3} (are|wait|were|overflow)\b`)

// Every measure reads as a sentence.
func TestMeasuresRead(t *testing.T) {
	for _, m := range measures {
		for _, v := range []float64{0, 0.004, 0.5, 1, 17.25, 1e6} {
			if text := m.Text(v); text == "" || len(text) > 120 || strings.Contains(text, "%!") || several.MatchString(text) {
				t.Errorf("%s: %q", m, text)
			}
		}
	}
}
