package sizing_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/engramd/engramd/agent/sizing"
	"github.com/engramd/engramd/policy/capacity"
	"github.com/engramd/engramd/policy/replay"
)

func workload(memories float64) capacity.Workload {
	return capacity.Workload{Memories: memories, ActiveRatio: 0.1, EdgesPerMemory: 10, OpsPerSec: 1000, RetentionDays: 30, ConsolidationInterval: 300}
}

// TestExhaustionIsTheFirstDayThatDoesNotFit compares with a plain count of days.
func TestExhaustionIsTheFirstDayThatDoesNotFit(t *testing.T) {
	m := capacity.Corrected()
	for _, disk := range []float64{1, 30 << 30, 60 << 30, 200 << 30} {
		g := sizing.Growth{MemoriesPerDay: 5000, Disk: disk}
		_, ends, err := sizing.Project(m, workload(1e6), g)
		if err != nil || len(ends) != 1 {
			t.Fatalf("disk %v: %v, %v", disk, ends, err)
		}
		want := 0
		for ; ; want++ {
			e, err := m.Estimate(workload(1e6 + 5000*float64(want)))
			if err != nil {
				t.Fatal(err)
			}
			if float64(e.Storage.Needed) > disk {
				break
			}
		}
		if ends[0].Days == nil || *ends[0].Days != want {
			t.Errorf("disk %v: %v days, want %d", disk, ends[0].Days, want)
		}
	}
	_, ends, err := sizing.Project(m, workload(1e6), sizing.Growth{Disk: 1 << 50})
	if err != nil || ends[0].Days != nil {
		t.Errorf("without growth: %v, %v; want never", ends, err)
	}
	if _, _, err := sizing.Project(m, workload(1e6), sizing.Growth{MemoriesPerDay: -1}); !errors.Is(err, capacity.ErrImpossible) {
		t.Errorf("shrinking: %v, want ErrImpossible", err)
	}
	// A growth that leaves the numbers there are ends, too.
	if _, ends, err := sizing.Project(m, workload(1e6), sizing.Growth{Disk: 1 << 40, MemoriesPerDay: 1e15}); err == nil && (ends[0].Days == nil || *ends[0].Days > 1) {
		t.Errorf("growth beyond all bounds: %v", ends)
	}
}

func TestPricesAreReadStrictly(t *testing.T) {
	tests := map[string]struct{ text, fault string }{
		"fine":     {"currency: EUR\ncore_per_month: 20\n", ""},
		"misspelt": {"currency: EUR\ncores_per_month: 20\n", "cores_per_month"},
		"negative": {"core_per_month: -1\n", "core_per_month"},
		"no yaml":  {"\t{", "prices in"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "prices.yaml")
			if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := sizing.ReadPrices(path)
			if (err == nil) != (test.fault == "") || err != nil && !strings.Contains(err.Error(), test.fault) {
				t.Errorf("got %v, want %q", err, test.fault)
			}
		})
	}
}

func TestSnippetsRoundUp(t *testing.T) {
	size := capacity.Size{MilliCPU: 1501, MemoryBytes: 1<<30 + 1, StorageBytes: 1}
	for kind, want := range map[string]string{
		"kubernetes": "limits: {cpu: 1501m, memory: 1025Mi}",
		"compose":    `cpus: "1.501"`,
		"systemd":    "CPUQuota=151%",
	} {
		text, err := sizing.Snippet(kind, "engram", size)
		if err != nil || !strings.Contains(text, want) {
			t.Errorf("%s: %q, %v; want %q in it", kind, text, err, want)
		}
	}
	if _, err := sizing.Snippet("nomad", "engram", size); err == nil {
		t.Error("a snippet for nomad")
	}
}

// TestSnippetsLeaveOutWhatIsNotKnown has sizes of which a part was not analysed: a limit of 0 would stop the service.
func TestSnippetsLeaveOutWhatIsNotKnown(t *testing.T) {
	for _, test := range []struct {
		size capacity.Size
		want map[string]string
	}{
		{capacity.Size{MilliCPU: 1}, map[string]string{
			"kubernetes": "            requests: {cpu: 1m}\n            limits: {cpu: 1m}\n",
			"compose":    "services:\n  web:\n    cpus: \"0.001\"\n",
			"systemd":    "[Service]\nCPUQuota=1%\n",
		}},
		{capacity.Size{MemoryBytes: 1}, map[string]string{
			"kubernetes": "            requests: {memory: 1Mi}\n            limits: {memory: 1Mi}\n",
			"compose":    "services:\n  web:\n    mem_limit: 1m\n    mem_reservation: 1m\n",
			"systemd":    "[Service]\nMemoryHigh=1M\nMemoryMax=1M\n",
		}},
		{capacity.Size{StorageBytes: 1}, map[string]string{"kubernetes": "# persistentVolumeClaim: resources: {requests: {storage: 1Gi}}\n", "compose": "", "systemd": ""}},
	} {
		for kind, want := range test.want {
			text, err := sizing.Snippet(kind, "web", test.size)
			if kind == "kubernetes" && test.size.StorageBytes == 0 {
				_, text, _ = strings.Cut(text, "resources:\n")
			}
			if err != nil || text != want {
				t.Errorf("%+v for %s: got %q, %v, want %q", test.size, kind, text, err, want)
			}
		}
	}
	if _, err := sizing.Snippet("compose", "a: b\nc", capacity.Size{MilliCPU: 1}); err == nil {
		t.Error("a name that would be more YAML was taken")
	}
}

// TestPictureKeepsPeaks draws a demand with one peak of a minute, in both formats.
func TestPictureKeepsPeaks(t *testing.T) {
	tr := replay.Trace{Name: "flat", Demand: make([]float64, 14*24*60)}
	tr.Demand[7777] = 15
	o := replay.Options{Host: 16, Start: 4, Min: 0.1}
	c, err := sizing.ContestantsNamed([]string{"rightsize"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sizing.Replay(t.Context(), tr, c[0], o, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, begins := range map[string]string{"a.svg": "<?xml", "a.PNG": "\x89PNG"} {
		var b bytes.Buffer
		if err := sizing.Draw(&b, name, tr, s.Result); err != nil || !strings.HasPrefix(b.String(), begins) {
			t.Errorf("%s: %.20q, %v", name, b.String(), err)
		}
	}
	if err := sizing.Draw(&bytes.Buffer{}, "a.gif", tr, s.Result); err == nil || !strings.Contains(err.Error(), ".svg or .png") {
		t.Errorf("a.gif: %v", err)
	}
}

func TestMeansCountEachTraceTheSame(t *testing.T) {
	scores := []sizing.Score{
		{Trace: "a", Policy: "x", Measures: replay.Measures{Slack: 10}, Regret: 1},
		{Trace: "b", Policy: "x", Measures: replay.Measures{Slack: 30}, Regret: 3},
		{Trace: "a", Policy: "y", Measures: replay.Measures{Slack: 7}},
	}
	means := sizing.Means(scores)
	if len(means) != 2 || means[0].Slack != 20 || means[0].Regret != 2 || means[1].Slack != 7 {
		t.Errorf("got %+v", means)
	}
}
