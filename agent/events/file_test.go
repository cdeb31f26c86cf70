package events_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/engramd/engramd/agent/events"
	"github.com/engramd/engramd/policy"
	"github.com/prometheus/client_golang/prometheus"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func event(n int) policy.Event {
	return policy.Event{
		ID: fmt.Sprint("e", n), At: noon, Type: policy.EventState, Severity: policy.Info, Target: "engram", Resource: policy.CPU,
		From: policy.Amount(2000), To: policy.Amount(4000), Outcome: "applying", Message: fmt.Sprint("message ", n),
	}
}

// lines reads the ids in a file of events; a line that is no event is "?".
func lines(t *testing.T, path string) []string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var ids []string
	for s := bufio.NewScanner(f); s.Scan(); {
		var e policy.Event
		if json.Unmarshal(s.Bytes(), &e) != nil {
			e.ID = "?"
		}
		ids = append(ids, e.ID)
	}
	return ids
}

func want(t *testing.T, got []string, want string) {
	t.Helper()
	if strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestEventsAreJSONLines(t *testing.T) {
	dir := t.TempDir()
	s := run(t, events.Config{Dir: dir})
	for n := range 3 {
		s.Emit(event(n))
	}
	s.stop()
	want(t, lines(t, dir+"/events.jsonl"), "e0 e1 e2")
	if st, err := os.Stat(dir + "/events.jsonl"); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
}

func TestTheFileIsRotated(t *testing.T) {
	dir := t.TempDir()
	s := run(t, events.Config{Dir: dir, MaxBytes: 500, Keep: 2})
	for n := range 9 {
		s.Emit(event(n))
	}
	s.stop()
	want(t, lines(t, dir+"/events.jsonl"), "e8")
	want(t, lines(t, dir+"/events.1.jsonl"), "e6 e7")
	want(t, lines(t, dir+"/events.2.jsonl"), "e4 e5")
	if all, _ := filepath.Glob(dir + "/*"); len(all) != 3 {
		t.Errorf("there are %v", all)
	}
}

func TestATornLineStaysAlone(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/events.jsonl", []byte(`{"id":"old"}`+"\n"+`{"id":"to`), 0o600); err != nil {
		t.Fatal(err)
	}
	s := run(t, events.Config{Dir: dir})
	s.Emit(event(1))
	s.stop()
	want(t, lines(t, dir+"/events.jsonl"), "old ? e1")
}

func TestAFileThatSomebodyMovedIsMadeAnew(t *testing.T) {
	dir := t.TempDir()
	s := run(t, events.Config{Dir: dir})
	s.Emit(event(1))
	s.delivered("file", 1)
	if err := os.Rename(dir+"/events.jsonl", dir+"/moved"); err != nil {
		t.Fatal(err)
	}
	s.Emit(event(2))
	s.stop()
	want(t, lines(t, dir+"/moved"), "e1")
	want(t, lines(t, dir+"/events.jsonl"), "e2")
}

func TestAFullDiskIsCountedAndSaidOnce(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("needs the right to mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	s := run(t, events.Config{Dir: dir})
	s.Emit(event(1))
	s.delivered("file", 1)
	fill, err := os.Create(dir + "/fill")
	for err == nil {
		_, err = fill.Write(make([]byte, 1000))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if err := fill.Close(); err != nil {
		t.Fatal(err)
	}
	// What is left of the last page takes an event or a part of one.
	for n := range 40 {
		s.Emit(event(100 + n))
	}
	s.settled("file", 41)
	if s.dropped("file", "failed") < 2 {
		t.Errorf("%v events failed", s.dropped("file", "failed"))
	}
	if err := os.Remove(dir + "/fill"); err != nil {
		t.Fatal(err)
	}
	s.Emit(event(2))
	s.stop()
	got := lines(t, dir+"/events.jsonl")
	if got[0] != "e1" || got[len(got)-1] != "e2" || strings.Contains(strings.Join(got, " "), "?") {
		t.Errorf("the file holds %v", got)
	}
	for _, message := range []string{"events cannot be delivered", "events are delivered again"} {
		if n := strings.Count(s.log.String(), message); n != 1 {
			t.Errorf("%q was logged %d times", message, n)
		}
	}
}

func TestTheLogSaysWhatWasDecided(t *testing.T) {
	s := run(t, events.Config{})
	decided := event(1)
	decided.Type, decided.Decision, decided.Message = policy.EventDecision, "d1", "cpu of engram: 2 cores -> 4 cores"
	s.Emit(decided)
	step := event(2)
	step.Type = policy.EventStep
	s.Emit(step)
	failed := event(3)
	failed.Type, failed.Severity = policy.EventFailure, policy.Critical
	s.Emit(failed)
	s.stop()
	const line = `level=INFO msg=decision text="cpu of engram: 2 cores -> 4 cores" target=engram resource=cpu from="2 cores" to="4 cores" outcome=applying decision=d1`
	if !strings.Contains(s.log.String(), line) {
		t.Errorf("got\n%s\nwant\n%s", s.log.String(), line)
	}
	if !strings.Contains(s.log.String(), "level=ERROR msg=failure") || strings.Contains(s.log.String(), "message 2") {
		t.Errorf("got\n%s", s.log.String())
	}
}

// A running is a Sink in a test.
type running struct {
	*events.Sink
	t        *testing.T
	registry *prometheus.Registry
	log      *bytes.Buffer
	stop     func()
}

func run(t *testing.T, cfg events.Config) *running {
	t.Helper()
	r := &running{t: t, registry: prometheus.NewRegistry(), log: &bytes.Buffer{}}
	var err error
	if r.Sink, err = events.New(cfg, slog.New(slog.NewTextHandler(r.log, nil)), r.registry); err != nil {
		t.Fatal(err)
	}
	r.stop = start(t, r.Sink)
	return r
}

// value reads a counter.
func (r *running) value(name string, labels ...string) float64 {
	families, err := r.registry.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var values []string
			for _, l := range m.GetLabel() {
				values = append(values, l.GetValue())
			}
			if f.GetName() == name && strings.Join(values, " ") == strings.Join(labels, " ") {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

// dropped and delivered labels are in the order of their names.
func (r *running) dropped(receiver, reason string) float64 {
	return r.value("engramd_events_dropped_total", reason, receiver)
}

// delivered waits until a receiver got n events.
func (r *running) delivered(receiver string, n float64) {
	r.until(func() bool { return r.value("engramd_events_delivered_total", receiver) >= n })
}

// settled waits until n events were delivered or failed.
func (r *running) settled(receiver string, n float64) {
	r.until(func() bool {
		return r.value("engramd_events_delivered_total", receiver)+r.dropped(receiver, "failed") >= n
	})
}

func (r *running) until(done func() bool) {
	r.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range 2000 {
		if done() {
			return
		}
		<-tick.C
	}
	r.t.Fatal("it did not come to that")
}
