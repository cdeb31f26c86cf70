package load_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/node/load"
	"github.com/engramd/engramd/node/record"
	"github.com/google/go-cmp/cmp"
)

// worker is set for a process that does one job of a bench: this test started again.
const worker = "ENGRAMD_LOAD_WORKER"

func TestMain(m *testing.M) {
	if os.Getenv(worker) == "" {
		os.Exit(m.Run())
	}
	out := load.JSON(os.Stdout)
	if err := load.Work(context.Background(), os.Args[len(os.Args)-1], out); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// tiny are options with which everything takes a moment.
func tiny(t *testing.T) load.Options {
	t.Setenv(worker, "1")
	return load.Options{
		Dir: t.TempDir(), Sizes: []int{1000}, SpreadSizes: []int{1500}, Degree: 5, Vectors: 500, Dimension: 16,
		Duration: 20 * time.Millisecond, SustainedFor: 50 * time.Millisecond, Self: []string{os.Args[0]},
	}
}

// TestEveryBenchTellsWhatItMeasured runs everything at sizes at which no number means anything, and looks at the shape.
func TestEveryBenchTellsWhatItMeasured(t *testing.T) {
	var rows []load.Result
	o := tiny(t)
	err := load.Run(t.Context(), o, func(r load.Result) error {
		rows = append(rows, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, r := range rows {
		bench, _, _ := strings.Cut(r.Name, "/")
		seen[bench] = true
		if math.IsNaN(r.Value) || math.IsInf(r.Value, 0) || r.Value <= 0 {
			t.Errorf("%s is %v", r.Name, r.Value)
		}
		if (r.Unit == "ratio") != (r.RatioTo != "") {
			t.Errorf("%s has the unit %q and ratio_to %q", r.Name, r.Unit, r.RatioTo)
		}
		if r.Unit == "ratio" && r.Value > 100_000 {
			t.Errorf("%s: %v is no ratio of two alike", r.Name, r.Value)
		}
		t.Logf("%s %v %s %s", r.Name, r.Value, r.Unit, r.Bound)
	}
	for _, name := range load.Names() {
		if !seen[name] {
			t.Errorf("bench %s told nothing", name)
		}
	}
	if left, _ := os.ReadDir(o.Dir); len(left) > 0 {
		t.Errorf("%v is left behind", left)
	}
}

func TestOnlyWhatIsAskedForRuns(t *testing.T) {
	o := tiny(t)
	o.Only = []string{"spread"}
	err := load.Run(t.Context(), o, func(r load.Result) error {
		if !strings.HasPrefix(r.Name, "spread/") {
			t.Errorf("%s was not asked for", r.Name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestAFailureDoesNotHinderTheOthers: the error names what could not be measured.
func TestAFailureDoesNotHinderTheOthers(t *testing.T) {
	o := tiny(t)
	o.Self, o.Only, o.SpreadSizes = nil, []string{"restart", "vectors"}, nil
	told := 0
	err := load.Run(t.Context(), o, func(load.Result) error { told++; return nil })
	if err == nil || !strings.Contains(err.Error(), "restart of 1000 memories") {
		t.Errorf("restart without a process of its own: %v", err)
	}
	if told < 2 {
		t.Errorf("%d rows; the search is measured all the same", told)
	}
}

func TestWhatIsCutShortIsNotMeasured(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := load.Run(ctx, tiny(t), func(load.Result) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestWrongOptionsAreAllTold(t *testing.T) {
	err := load.Options{Sizes: []int{3}, Only: []string{"speed"}}.Validate()
	if err == nil || !strings.Contains(err.Error(), "at least 100") || !strings.Contains(err.Error(), `no bench "speed"`) {
		t.Errorf("got %v", err)
	}
}

func TestRowsAsJSON(t *testing.T) {
	var b bytes.Buffer
	p := load.JSON(&b)
	r := load.Result{Name: "spread/1000000/of_bare", Value: 0.7, Unit: "ratio", Bound: load.Bound{Word: ">=", Value: 0.6}, RatioTo: "a bare loop"}
	if err := p.Print(r); err != nil {
		t.Fatal(err)
	}
	want := `{"name":"spread/1000000/of_bare","value":0.7,"unit":"ratio","bound":">= 0.6","ratio_to":"a bare loop"}` + "\n"
	if b.String() != want {
		t.Errorf("got %swant %s", b.String(), want)
	}
	var back load.Result
	if err := json.Unmarshal(b.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, back); diff != "" {
		t.Error(diff)
	}
}

func TestTheTableSaysWhatIsMet(t *testing.T) {
	var b strings.Builder
	p := load.Table(&b)
	for _, v := range []float64{100, 200} {
		if err := p.Print(load.Result{Name: "get/hot/p99", Value: v, Unit: "us", Bound: load.Bound{Word: "<", Value: 150}}); err != nil {
			t.Fatal(err)
		}
	}
	first, second, _ := strings.Cut(b.String(), "\n")
	if !strings.HasSuffix(first, "met (< 150)") || strings.Contains(first, "NOT") || !strings.Contains(second, "NOT MET (< 150)") {
		t.Errorf("got\n%s", b.String())
	}
}

func TestAGeneratorIsItsSeed(t *testing.T) {
	a := load.Generator{Seed: 1, Memories: 1000, Degree: 10, ContentBytes: 200}
	b := a
	b.Seed = 2
	ids := map[string]bool{}
	for i := range a.Memories {
		m := a.Memory(i)
		ids[m.ID] = true
		if diff := cmp.Diff(m, a.Memory(i)); diff != "" {
			t.Fatal(diff)
		}
		if err := m.Check(0); err != nil || len(m.Content) != 200 {
			t.Fatalf("memory %d: %v, %d bytes", i, err, len(m.Content))
		}
		to := map[string]bool{}
		for _, e := range a.Edges(i) {
			to[e.To] = true
			if e.From != m.ID || e.To == m.ID || !e.Weight.Valid() {
				t.Fatalf("edge %+v of %s", e, m.ID)
			}
		}
		if len(to) != a.Degree {
			t.Fatalf("memory %d leads to %d others", i, len(to))
		}
	}
	if len(ids) != a.Memories {
		t.Errorf("%d ids for %d memories", len(ids), a.Memories)
	}
	if a.ID(7) == b.ID(7) || a.Memory(7).Content == b.Memory(7).Content || slices.Equal(a.Vector(7, 8), b.Vector(7, 8)) {
		t.Error("two seeds make the same")
	}
	if err := record.CheckVector(a.Vector(7, 8), 8); err != nil {
		t.Error(err)
	}
}
