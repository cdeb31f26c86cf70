package show_test

import (
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/engramd/engramd/demo/show"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the frames of testdata anew")

// moments are states of one demo, from its beginning to its end.
func moments() map[string]show.State {
	phases := func(stages ...show.Stage) (all []show.Phase) {
		for i, name := range []string{"calm", "rising", "spiking", "pathological"} {
			all = append(all, show.Phase{Name: name, Stage: stages[i]})
		}
		return all
	}
	first := show.State{Phases: phases(show.Ahead, show.Ahead, show.Ahead, show.Ahead), Note: "Starting an agent with its node ...", Where: "node http://127.0.0.1:41001, agent 127.0.0.1:41002"}
	calm := first
	calm.Elapsed, calm.Phases = 4*time.Second, phases(show.Running, show.Ahead, show.Ahead, show.Ahead)
	calm.Note = "One client asks for a spread now and then. One worker serves it."
	calm.Signals = []show.Signal{
		{Name: "spreads waiting", Bound: 1.5, History: []float64{math.NaN(), 0, 0, 0}},
		{Name: "hot tier", Unit: "%", Bound: 10, History: []float64{math.NaN(), 7.9, 7.9, 7.9}},
		{Name: "workers", History: []float64{1, 1, 1, 1}},
		{Name: "served per second", History: []float64{math.NaN(), 2, 3, 3}},
	}
	calm.Rows = []show.Row{{Policy: "workers", Condition: "queue < 1.5", Verdict: "none"}, {Policy: "tiers", Condition: "hot < 10", Verdict: "none"}}
	rising := calm
	rising.Elapsed, rising.Phases = 12*time.Second, phases(show.Done, show.Running, show.Ahead, show.Ahead)
	rising.Note = "Three clients ask without a pause: one is served, two wait for the worker."
	rising.Signals = []show.Signal{
		{Name: "spreads waiting", Bound: 1.5, History: []float64{0, 0, 0, 0, 0.7, 1.3, 2, 2}},
		{Name: "hot tier", Unit: "%", Bound: 10, History: []float64{7.9, 7.9, 7.9, 7.9, 7.9, 7.9, 7.9, 7.9}},
		{Name: "workers", History: []float64{1, 1, 1, 1, 1, 1, 1, 2}},
		{Name: "served per second", History: []float64{2, 3, 3, 21, 34, 33, 34, 61}},
	}
	rising.Rows = []show.Row{{Policy: "workers", Condition: "queue >= 1.5", Verdict: "true for 2s so far", Acts: true}, {Policy: "tiers", Condition: "hot < 10", Verdict: "none"}}
	rising.Actions = []show.Action{{
		ID: "0199f1b2c3d4", What: "threads.spreading 1 -> 2", State: "validating", Stage: show.Running,
		Because: "workers, row 2: queue >= 1.5 (queue was 2)",
		Checks:  []show.Check{{Mark: show.NoHelp, Text: "queue is 2: still in the row that led here"}, {Mark: show.Helped, Text: "queue is 0.98: it left the row that led here"}},
	}}
	last := rising
	last.Elapsed, last.Phases = 52*time.Second, phases(show.Done, show.Done, show.Done, show.Failed)
	last.Note, last.Trouble = "24 clients at once. The node may use two processors, and two workers use them up: more workers only take turns.", "a client was refused: \x1b[31mthe node\nis busy"
	last.Actions = []show.Action{
		{ID: "0199f1b2c3d4", What: "threads.spreading 1 -> 2", State: "committed", Stage: show.Done, Good: true, Because: rising.Actions[0].Because, Checks: rising.Actions[0].Checks, Reason: "queue is 0.98: it left the row that led here"},
		{ID: "0199f1b2c3d5", What: "tiers.evict", State: "committed", Stage: show.Done, Good: true, Because: "tiers, row 2: hot >= 10 (hot was 38.6)", Reason: "hot is 7.9: it left the row that led here"},
		{
			ID: "0199f1b2c3d6", What: "threads.spreading 2 -> 4", State: "rolled_back", Stage: show.Done, Because: "workers, row 2: queue >= 1.5 (queue was 21.7)",
			Checks: []show.Check{{Mark: show.NoHelp, Text: "queue is 20"}, {Mark: show.Unknown, Text: "unknown"}, {Mark: show.NoHelp, Text: "queue is 20: still in the row that led here"}},
			Reason: "no effect: queue is 20: still in the row that led here; not again for 1h in the same circumstances (row 2, 2 -> 4)", Diagnosis: "used 2.00 cores of 2.00: the CPU is used up",
		},
		{ID: "0199f1b2c3d7", What: "threads.spreading 2 -> 4", State: "failed", Stage: show.Failed, Reason: "the node did not answer"},
	}
	return map[string]show.State{"start": first, "calm": calm, "rising": rising, "end": last}
}

func TestFrames(t *testing.T) {
	for name, s := range moments() {
		for _, size := range []struct{ width, height int }{{120, 40}, {80, 24}, {40, 30}, {20, 12}} {
			for look, l := range map[string]show.Look{"": {}, "-ascii": {ASCII: true}, "-color": {Color: true}} {
				if look != "" && (name != "rising" || size.width != 80) {
					continue
				}
				file := filepath.Join("testdata", fmt.Sprintf("%s-%d%s.txt", name, size.width, look))
				t.Run(filepath.Base(file), func(t *testing.T) { golden(t, file, show.Draw(s, size.width, size.height, l)+"\n") })
			}
		}
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (go test ./demo/show -update writes it)", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the frame is another one (-want +got):\n%s", diff)
	}
}

var escape = regexp.MustCompile("\x1b\\[[0-9;]*m")

// TestFramesFit holds what a terminal needs of a frame of any size: no line is longer, there are no more lines than there
// is room for, and nothing but color moves anything.
func TestFramesFit(t *testing.T) {
	for name, s := range moments() {
		for width := range 150 {
			for _, height := range []int{0, 1, 2, 3, 5, 10, 24, 60} {
				frame := show.Draw(s, width, height, show.Look{Color: true})
				lines := strings.Split(frame, "\n")
				if height > 0 && len(lines) > height {
					t.Fatalf("%s in %dx%d has %d lines", name, width, height, len(lines))
				}
				for _, line := range lines {
					text := escape.ReplaceAllString(line, "")
					if n := utf8.RuneCountInString(text); n > width {
						t.Fatalf("%s in %dx%d: a line of %d characters: %q", name, width, height, n, text)
					}
					if strings.ContainsAny(text, "\x1b\r\t\a") {
						t.Fatalf("%s in %dx%d: control characters in %q", name, width, height, text)
					}
				}
			}
		}
	}
}

// TestFramesWithoutColor holds NO_COLOR.
func TestFramesWithoutColor(t *testing.T) {
	for name, s := range moments() {
		if frame := show.Draw(s, 80, 40, show.Look{}); strings.Contains(frame, "\x1b") {
			t.Errorf("%s has color: %q", name, frame)
		}
	}
}

// TestASCII holds that nothing of ours is beyond ASCII where the terminal may not know it.
func TestASCII(t *testing.T) {
	for name, s := range moments() {
		for _, r := range show.Draw(s, 100, 0, show.Look{ASCII: true}) {
			if r >= utf8.RuneSelf {
				t.Errorf("%s has %q", name, r)
			}
		}
	}
}

func TestLookOf(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want show.Look
	}{
		{map[string]string{"TERM": "xterm", "LANG": "en_US.UTF-8"}, show.Look{Color: true}},
		{map[string]string{"TERM": "xterm", "LANG": "en_US.UTF-8", "NO_COLOR": "1"}, show.Look{}},
		{map[string]string{"TERM": "xterm", "LANG": "C.utf8", "LC_ALL": "C"}, show.Look{Color: true, ASCII: true}},
		{map[string]string{"TERM": "xterm", "LC_CTYPE": "C.utf8"}, show.Look{Color: true}},
		{map[string]string{"TERM": "dumb"}, show.Look{ASCII: true}},
	} {
		if got := show.LookOf(func(k string) string { return c.env[k] }); got != c.want {
			t.Errorf("%v: %+v, want %+v", c.env, got, c.want)
		}
	}
}

// TestLines tells one demo in lines: each thing once, when it changes.
func TestLines(t *testing.T) {
	all := moments()
	var lines []string
	last := show.State{}
	for _, name := range []string{"start", "calm", "rising", "rising", "end"} {
		lines = append(lines, show.Lines(last, all[name])...)
		last = all[name]
	}
	golden(t, filepath.Join("testdata", "lines.txt"), strings.Join(lines, "\n")+"\n")
}

func FuzzDraw(f *testing.F) {
	f.Add("note", "reason \x1b[2J", 80, 24, 3.5)
	f.Fuzz(func(t *testing.T, note, reason string, width, height int, value float64) {
		s := moments()["end"]
		s.Note, s.Actions[0].Reason, s.Where = note, reason, reason
		s.Signals[0].History = append(s.Signals[0].History, value)
		width, height = width%300, height%100
		for line := range strings.SplitSeq(show.Draw(s, width, height, show.Look{}), "\n") {
			if n := utf8.RuneCountInString(line); n > max(width, 0) {
				t.Errorf("%d characters in %d columns: %q", n, width, line)
			}
			if strings.ContainsRune(line, '\x1b') {
				t.Errorf("an escape sequence in %q", line)
			}
		}
		show.Lines(show.State{}, s)
	})
}
