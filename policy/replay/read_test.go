package replay_test

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/engramd/engramd/policy/replay"
)

func read(t *testing.T, lines ...string) replay.Trace {
	t.Helper()
	tr, err := replay.Read(strings.NewReader(strings.Join(lines, "\n")), "x", 16)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func TestReadHoldsDemandBetweenSamples(t *testing.T) {
	for _, tt := range []struct {
		name  string
		lines []string
		want  []float64
		notes int
	}{
		{"per cent of the host, every two minutes", []string{"timestamp,value", "2014-02-14 14:30:00,50", "2014-02-14 14:32:00,25"}, []float64{8, 8, 4, 4}, 0},
		{"cores are not scaled", []string{"TIMESTAMP,CPU_USAGE_ACTUAL", "2023.04.02-00:09:00:000,7.2", "2023.04.02-00:10:00:000,7.04"}, []float64{7.2, 7.04}, 0},
		{"carriage returns, blank lines and a byte order mark", []string{"\ufeffTIMESTAMP,CPU_USAGE_ACTUAL\r", "", "2023.04.02-00:09:00:000, 1\r", ""}, []float64{1}, 0},
		{"a gap is held and noted", []string{"timestamp,value", "2014-02-14 14:00:00,100", "2014-02-14 14:01:00,50", "2014-02-14 14:02:00,50", "2014-02-14 14:06:00,25"}, []float64{16, 8, 8, 8, 8, 8, 4}, 1},
		{"duplicates: the larger", []string{"timestamp,value", "2014-02-14 14:00:00,50", "2014-02-14 14:00:00,100", "2014-02-14 14:00:00,25", "2014-02-14 14:01:00,0"}, []float64{16, 0}, 2},
		{"out of order is put in order", []string{"timestamp,value", "2014-02-14 14:01:00,50", "2014-02-14 14:00:00,100"}, []float64{16, 8}, 1},
		{"NaN and nothing are gaps", []string{"timestamp,value", "2014-02-14 14:00:00,50", "2014-02-14 14:01:00,NaN", "2014-02-14 14:02:00,", "2014-02-14 14:03:00,100"}, []float64{8, 8, 8, 16, 16, 16}, 2},
		{"several in a minute: what is held when it begins", []string{"timestamp,value", "2014-02-14 14:00:00,50", "2014-02-14 14:00:20,100", "2014-02-14 14:01:00,25", "2014-02-14 14:02:00,25"}, []float64{8, 4, 4}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tr := read(t, tt.lines...)
			if diff := cmp.Diff(tt.want, tr.Demand); diff != "" {
				t.Error(diff)
			}
			if len(tr.Notes) != tt.notes {
				t.Errorf("notes %q; want %d", tr.Notes, tt.notes)
			}
		})
	}
}

func TestReadRefusesWhatIsNoDemand(t *testing.T) {
	const head, first = "timestamp,value\n", "timestamp,value\n2014-02-14 14:30:00,50\n"
	for name, tt := range map[string]struct{ text, want string }{
		"nothing":        {"", "no samples"},
		"only a header":  {head, "no samples"},
		"only NaN":       {head + "2014-02-14 14:30:00,NaN", "no samples"},
		"another header": {"time;load\n", "line 1: unknown header"},
		"negative":       {first + "2014-02-14 14:35:00,-1", "line 3: a demand of -1 is negative"},
		"infinite":       {first + "2014-02-14 14:35:00,Inf", "line 3"},
		"out of range":   {first + "2014-02-14 14:35:00,1e999", "line 3"},
		"immense":        {first + "2014-02-14 14:35:00,1e300", "beyond any host"},
		"words":          {first + "2014-02-14 14:35:00,much", "line 3: \"much\" is not a number"},
		"no time":        {first + "yesterday,1", "line 3: \"yesterday\" is not a time"},
		"one column":     {first + "50", "want a time, a comma and a value"},
		"a thousand years": {first + "3014-02-14 14:30:00,50",
			"from line 2 to line 3"},
		"an endless line": {first + strings.Repeat("x", 1<<16), "line 3: it is longer than 4096 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := replay.Read(strings.NewReader(tt.text), "x.csv", 16)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "x.csv") {
				t.Errorf("error %v; want one of x.csv with %q", err, tt.want)
			}
		})
	}
	for _, host := range []float64{0, -1, math.NaN(), math.Inf(1)} {
		if _, err := replay.Read(strings.NewReader(first), "x", host); err == nil {
			t.Errorf("a host of %v cores is accepted", host)
		}
	}
}

func TestNotesAreBounded(t *testing.T) {
	lines := []string{"timestamp,value", "2014-02-14 14:00:00,1"}
	for range 500 {
		lines = append(lines, "2014-02-14 14:00:00,NaN")
	}
	tr := read(t, lines...)
	if n := len(tr.Notes); n != 21 || tr.Notes[n-1] != "and 480 more" {
		t.Errorf("%d notes, the last %q", n, tr.Notes[n-1])
	}
}

func FuzzRead(f *testing.F) {
	f.Add("timestamp,value\n2014-02-14 14:30:00,50\n2014-02-14 14:35:00,25\n")
	f.Add("TIMESTAMP,CPU_USAGE_ACTUAL\n2023.04.02-00:09:00:000,7.2\n2023.04.02-00:09:00:000,\n")
	f.Add("timestamp,value\n2014-02-14 14:30:00,NaN\n2013-02-14T14:35:00Z,1e308\n")
	f.Fuzz(func(t *testing.T, text string) {
		tr, err := replay.Read(strings.NewReader(text), "x", 16)
		if err != nil {
			return
		}
		if len(tr.Demand) == 0 {
			t.Fatal("no error and no demand")
		}
		for i, d := range tr.Demand {
			if !(d >= 0) || math.IsInf(d, 0) {
				t.Fatalf("minute %d: a demand of %v", i, d)
			}
		}
	})
}
