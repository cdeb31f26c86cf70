package capacity_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/engramd/engramd/policy/capacity"
)

func TestEveryConstantSaysWhereItComesFrom(t *testing.T) {
	for _, m := range []capacity.Model{capacity.Guide(), capacity.Corrected()} {
		for name, c := range m.Constants() {
			if name == "" || c.Unit == "" || c.Source == "" {
				t.Errorf("%s: %q has no name, unit or source: %+v", m.Name, name, c)
			}
		}
	}
}

func TestDifferencesAreThoseOfTheModelsAndEachHasAReason(t *testing.T) {
	guide, corrected := capacity.Guide(), capacity.Corrected()
	diffs := capacity.Differences(guide, corrected)
	for _, d := range diffs {
		if d.Reason == "" || d.Reason == d.From.Source || d.From.Value == d.To.Value {
			t.Errorf("%+v", d)
		}
		var err error
		if guide, err = guide.With(d.Name, d.To.Value, d.Reason); err != nil {
			t.Fatal(err)
		}
	}
	a, b := estimate(t, guide, example), estimate(t, corrected, example)
	if a.Memory != b.Memory || a.Storage != b.Storage || a.Cores != b.Cores || len(diffs) < 20 {
		t.Errorf("the guide with all %d differences is not the corrected model:\n%+v\n%+v", len(diffs), a, b)
	}
	if d := capacity.Differences(corrected, corrected); len(d) != 0 {
		t.Errorf("a model differs from itself: %+v", d)
	}
}

func TestAConstantIsReplacedByName(t *testing.T) {
	m, err := capacity.Guide().With("log_record_bytes", 512, "measured")
	if err != nil || m.LogRecordBytes.Value != 512 || m.LogRecordBytes.Source != "measured" || m.LogRecordBytes.Unit == "" {
		t.Errorf("got %+v, %v", m.LogRecordBytes, err)
	}
	if got := estimate(t, m, example).Storage.Log; got != 2*928_972_800_000 {
		t.Errorf("log %d", got)
	}
	if _, err := m.With("hot_bites", 1, ""); !errors.Is(err, capacity.ErrImpossible) || !strings.Contains(err.Error(), "hot_bytes") {
		t.Errorf("want the names that there are, got %v", err)
	}
	if _, err := m.With("hot_bytes", math.NaN(), ""); !errors.Is(err, capacity.ErrImpossible) {
		t.Errorf("got %v", err)
	}
	zero, err := m.With("reads_per_core", 0, "a wish")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := zero.Estimate(example); !errors.Is(err, capacity.ErrImpossible) || !strings.Contains(err.Error(), "reads_per_core") {
		t.Errorf("a division by zero: %v", err)
	}
}

func TestAMeasuredNodePredictsItself(t *testing.T) {
	seen := capacity.Measured{
		Source: "http://localhost:7432", Memories: 1_000_000,
		Edges: new(int64(10_000_000)), Hot: new(int64(100_000)),
		IndexBytes: new(int64(190e6)), HotBytes: new(int64(36e6)), BufferBytes: new(int64(5e6)), AnonBytes: new(int64(480e6)),
		BaseBytes: new(int64(420e6)), VectorBytes: new(int64(0)), LogBytes: new(int64(300e6)),
	}
	m, err := seen.Apply(capacity.Corrected())
	if err != nil {
		t.Fatal(err)
	}
	w := capacity.Workload{Memories: 1e6, ActiveRatio: 0.1, EdgesPerMemory: 10, ConsolidationInterval: 300}
	got := estimate(t, m, w)
	near(t, "memory", got.Memory.Needed, 480e6, 0.001)
	near(t, "disk", got.Storage.Data, 420e6, 0.001)
	if got.Memory.PageCache != 0 || !strings.Contains(m.IndexBytes.Source, "localhost:7432") {
		t.Errorf("%+v %+v", got.Memory, m.IndexBytes)
	}
	w.Memories = 2e6
	near(t, "memory of twice as many", estimate(t, m, w).Memory.Needed, 2*480e6, 0.1)
	near(t, "disk of twice as many", estimate(t, m, w).Storage.Data, 2*420e6, 0.001)
}

// A process smaller than what it is said to be: the constants give way, not the sum.
func TestAMeasuredNodeThatIsSmallPredictsItself(t *testing.T) {
	seen := capacity.Measured{Memories: 1000, IndexBytes: new(int64(200_000)), HotBytes: new(int64(0)), AnonBytes: new(int64(20e6))}
	m, err := seen.Apply(capacity.Corrected())
	if err != nil {
		t.Fatal(err)
	}
	near(t, "memory", estimate(t, m, capacity.Workload{Memories: 1000, ConsolidationInterval: 300}).Memory.Needed, 20e6, 0.001)
}

func TestWhatWasNotShownStaysAsItIs(t *testing.T) {
	m, err := capacity.Measured{Memories: 5000}.Apply(capacity.Corrected())
	if d := capacity.Differences(capacity.Corrected(), m); err != nil || len(d) != 0 {
		t.Errorf("got %+v, %v", d, err)
	}
	for name, seen := range map[string]capacity.Measured{
		"too few":  {Memories: 10},
		"negative": {Memories: 5000, AnonBytes: new(int64(-1))},
	} {
		if _, err := seen.Apply(capacity.Corrected()); !errors.Is(err, capacity.ErrImpossible) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func near(t *testing.T, what string, got int64, want, within float64) {
	t.Helper()
	if math.Abs(float64(got)-want) > want*within {
		t.Errorf("%s: got %d, want %.0f within %v", what, got, want, within)
	}
}
