package spread_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/engramd/engramd/node/graph"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/spread"
)

// parse makes a graph of lines like "1 2 0.5" or "1 2 -0.5"; every memory named is alive.
func parse(t *testing.T, lines string) *graph.Graph {
	t.Helper()
	g := graph.New(still{}, graph.Options{})
	for line := range strings.SplitSeq(strings.TrimSpace(lines), "\n") {
		var from, to record.Ord
		var w float64
		if _, err := fmt.Sscan(line, &from, &to, &w); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		weight, err := record.NewWeight(math.Abs(w), w < 0)
		if err != nil {
			t.Fatal(err)
		}
		g.Apply([]record.Op{
			{Kind: record.Put, Ord: from}, {Kind: record.Put, Ord: to},
			{Kind: record.Link, Ord: from, To: to, Weight: weight},
		})
	}
	return g
}

// show returns the hits, a line each: ordinal, activation, path.
func show(r spread.Result) string {
	var b strings.Builder
	for _, h := range r.Hits {
		fmt.Fprintf(&b, "%d %.4f %v\n", h.Ord, h.Activation, h.Path)
	}
	return b.String()
}

func TestSpreadStories(t *testing.T) {
	plainly := spread.Options{Hops: 3, FanOut: 10, Threshold: 0.1, Decay: 0.5, Limit: 10}
	for name, c := range map[string]struct {
		graph   string
		seeds   []spread.Seed
		options func(*spread.Options)
		want    string
	}{
		"activation fades with every hop, and stops below the threshold": {
			graph: "1 2 1\n2 3 1\n3 4 1\n4 5 1",
			seeds: []spread.Seed{{1, 1}},
			options: func(o *spread.Options) {
				o.Hops, o.Threshold = 10, 0.2
			},
			want: "1 1.0000 [1]\n2 0.5000 [1 2]\n3 0.2500 [1 2 3]\n4 0.1250 [1 2 3 4]\n",
		},
		"small contributions count together": {
			graph: "1 9 0.3\n2 9 0.3\n9 10 1",
			seeds: []spread.Seed{{1, 0.6}, {2, 0.6}},
			options: func(o *spread.Options) {
				o.Threshold, o.WithoutSeeds = 0.15, true
			},
			want: "9 0.1800 [1 9]\n10 0.0900 [1 9 10]\n",
		},
		"inhibition takes away, never below zero, and is forgotten there": {
			graph: "1 3 0.5\n2 3 -1\n1 4 0.8\n2 4 -0.2\n5 3 1\n1 5 1",
			seeds: []spread.Seed{{1, 1}, {2, 1}},
			want:  "1 1.0000 [1]\n2 1.0000 [2]\n5 0.5000 [1 5]\n4 0.3000 [1 4]\n3 0.2500 [1 5 3]\n",
		},
		"no memory has more than one": {
			graph: "1 9 1\n2 9 1\n3 9 1",
			seeds: []spread.Seed{{1, 1}, {2, 1}, {3, 1}},
			options: func(o *spread.Options) {
				o.WithoutSeeds = true
			},
			want: "9 1.0000 [1 9]\n",
		},
		"around a cycle goes only what is new": {
			graph: "1 2 1\n2 1 1",
			seeds: []spread.Seed{{1, 0.4}},
			options: func(o *spread.Options) {
				o.Threshold, o.Hops = 0.01, 10
			},
			// 0.4 x (1 + 1/4 + 1/16 ...), after five times there and back; half of that less the last.
			want: "1 0.5332 [1]\n2 0.2664 [1 2]\n",
		},
		"only the strongest edges are followed, the lowest target first": {
			graph: "1 5 0.5\n1 4 0.5\n1 3 0.5\n1 2 0.4\n1 6 -0.9",
			seeds: []spread.Seed{{1, 1}},
			options: func(o *spread.Options) {
				o.FanOut, o.WithoutSeeds = 3, true
			},
			want: "3 0.2500 [1 3]\n4 0.2500 [1 4]\n",
		},
		"what was below the threshold is sent when more has come": {
			graph: "1 4 0.2\n1 2 1\n2 3 1\n3 4 1\n4 5 1",
			seeds: []spread.Seed{{1, 1}},
			options: func(o *spread.Options) {
				o.Hops, o.Threshold, o.Decay = 10, 0.5, 0.8
			},
			want: "1 1.0000 [1]\n2 0.8000 [1 2]\n4 0.6720 [1 4]\n3 0.6400 [1 2 3]\n5 0.5376 [1 4 5]\n",
		},
		"the limit cuts after what is kept": {
			graph: "1 2 0.9\n1 3 0.8\n1 4 0.7\n1 5 0.6\n1 6 0.5",
			seeds: []spread.Seed{{1, 1}},
			options: func(o *spread.Options) {
				o.Limit = 2
				o.Keep = func(ord record.Ord) bool { return ord >= 4 }
			},
			want: "4 0.3500 [1 4]\n5 0.3000 [1 5]\n",
		},
		"a seed that is named twice counts twice": {
			graph: "1 2 1",
			seeds: []spread.Seed{{1, 0.3}, {1, 0.3}},
			want:  "1 0.6000 [1]\n2 0.3000 [1 2]\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := plainly
			if c.options != nil {
				c.options(&o)
			}
			var w spread.Worker
			got, err := w.Spread(t.Context(), parse(t, c.graph).Snapshot(), c.seeds, o)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, show(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// Seeds that are gone are counted and ignored; nothing at all is an answer, too.
func TestSpreadFromWhatIsGone(t *testing.T) {
	g := parse(t, "1 2 1\n3 2 1")
	g.Apply([]record.Op{{Kind: record.Delete, Ord: 1}})
	var w spread.Worker
	got, err := w.Spread(t.Context(), g.Snapshot(), []spread.Seed{{1, 1}, {77, 1}, {1 << 31, 1}}, spread.Defaults())
	if diff := cmp.Diff(spread.Result{Absent: 3, Hits: []spread.Hit{}}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// A deadline leaves what whole hops have brought: the result of a shorter spread.
func TestDeadlineLeavesWholeHops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := random(t, 2000, 8).Snapshot()
		o := spread.Defaults()
		from := []spread.Seed{{1, 1}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		time.Sleep(2 * time.Second)
		var w spread.Worker
		got, err := w.Spread(ctx, g, from, o)
		want := spread.Result{Hits: []spread.Hit{{Ord: 1, Activation: 1, Path: []record.Ord{1}}}, Partial: true, Reached: 1}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	})
}

// An expiring context ends after it was asked so often.
type expiring struct {
	context.Context
	asked int
}

func (e *expiring) Err() error {
	if e.asked--; e.asked < 0 {
		return context.DeadlineExceeded
	}
	return nil
}

func TestDeadlineInTheMiddleOfAHop(t *testing.T) {
	g := random(t, 30_000, 20).Snapshot()
	o := spread.Options{Hops: 6, FanOut: 20, Threshold: 0, Decay: 1, Limit: 100}
	from := []spread.Seed{{5, 1}}
	seen := map[int]bool{}
	for asked := range 120 {
		var w spread.Worker
		got, err := w.Spread(&expiring{t.Context(), asked}, g, from, o)
		if err != nil {
			t.Fatal(err)
		}
		if !got.Partial {
			break
		}
		seen[got.Hops] = true
		whole := o
		if whole.Hops = got.Hops; got.Hops == 0 {
			continue
		}
		want, err := w.Spread(t.Context(), g, from, whole)
		want.Partial, want.Edges = true, got.Edges
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Fatalf("asked %d times: %v (-shorter +partial):\n%s", asked, err, diff)
		}
	}
	if !seen[0] || !seen[3] || !seen[4] {
		t.Errorf("ended only after hops %v", seen)
	}
}

func TestCancelledSpreadSaysWhy(t *testing.T) {
	gone := errors.New("the client is gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	var w spread.Worker
	if _, err := w.Spread(ctx, parse(t, "1 2 1").Snapshot(), []spread.Seed{{1, 1}}, spread.Defaults()); !errors.Is(err, gone) {
		t.Errorf("got %v; want %v", err, gone)
	}
}

func TestWrongOptions(t *testing.T) {
	one := []spread.Seed{{1, 1}}
	for want, c := range map[string]struct {
		change func(*spread.Options)
		seeds  []spread.Seed
	}{
		"hops: is 0; 1 to 10":                                         {func(o *spread.Options) { o.Hops = 0 }, one},
		"hops: is 11; 1 to 10":                                        {func(o *spread.Options) { o.Hops = 11 }, one},
		"fan_out: is -1; 1 to 1024":                                   {func(o *spread.Options) { o.FanOut = -1 }, one},
		"fan_out: is 1025; 1 to 1024":                                 {func(o *spread.Options) { o.FanOut = 1025 }, one},
		"limit: is 0; 1 to 10000":                                     {func(o *spread.Options) { o.Limit = 0 }, one},
		"threshold: NaN is outside [0, 1]":                            {func(o *spread.Options) { o.Threshold = math.NaN() }, one},
		"threshold: -0.1 is outside [0, 1]":                           {func(o *spread.Options) { o.Threshold = -0.1 }, one},
		"threshold: 1.5 is outside [0, 1]":                            {func(o *spread.Options) { o.Threshold = 1.5 }, one},
		"decay: 0 is outside (0, 1]":                                  {func(o *spread.Options) { o.Decay = 0 }, one},
		"decay: +Inf is outside (0, 1]":                               {func(o *spread.Options) { o.Decay = math.Inf(1) }, one},
		"seeds: are 0; 1 to 10000":                                    {nil, nil},
		"seeds: are 10001; 1 to 10000":                                {nil, make([]spread.Seed, 10_001)},
		"seeds: number 2 names no memory":                             {nil, []spread.Seed{{1, 1}, {0, 1}}},
		"seeds: number 1 has activation 0, which is outside (0, 1]":   {nil, []spread.Seed{{1, 0}}},
		"seeds: number 1 has activation NaN, which is outside (0, 1]": {nil, []spread.Seed{{1, math.NaN()}}},
		"seeds: number 1 has activation 1.1, which is outside (0, 1]": {nil, []spread.Seed{{1, 1.1}}},
	} {
		o := spread.Defaults()
		if c.change != nil {
			c.change(&o)
		}
		var w spread.Worker
		_, err := w.Spread(t.Context(), parse(t, "1 2 1").Snapshot(), c.seeds, o)
		if err == nil || err.Error() != want || !errors.Is(err, record.ErrInvalid) {
			t.Errorf("got %v; want %s", err, want)
		}
	}
	if err := spread.Defaults().Validate(); err != nil {
		t.Errorf("the defaults are wrong: %v", err)
	}
}

// A worker does not keep the room of an extraordinary spread.
func TestWorkerLetsGoOfRoom(t *testing.T) {
	g := random(t, 300_000, 6).Snapshot()
	var w spread.Worker
	o := spread.Options{Hops: 10, FanOut: 6, Threshold: 0, Decay: 1, Limit: 10}
	got, err := w.Spread(t.Context(), g, []spread.Seed{{1, 1}}, o)
	if err != nil || got.Reached < 290_000 {
		t.Fatalf("reached %d, %v; want nearly all", got.Reached, err)
	}
	if n := w.Bytes(); n > 1<<20 {
		t.Errorf("the worker keeps %d bytes", n)
	}
	o.Hops = 3
	if _, err := w.Spread(t.Context(), g, []spread.Seed{{1, 1}}, o); err != nil {
		t.Fatal(err)
	}
	if n := w.Bytes(); n > 128<<10 {
		t.Errorf("after a usual spread the worker keeps %d bytes", n)
	}
}
