package journal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/journal"
	"github.com/engramd/engramd/policy"
	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func open(t *testing.T, dir string) *journal.Journal {
	t.Helper()
	j, err := journal.Open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	return j
}

func reopen(t *testing.T, j *journal.Journal) *journal.Journal {
	t.Helper()
	must(t, j.Close())
	return open(t, filepath.Dir(j.Path()))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func action(id string, at time.Time, s actuators.ActionState) actuators.Action {
	return actuators.Action{
		ID: id, TargetName: "engram", Driver: "docker", Resource: policy.CPU, Direction: policy.Growth,
		From: policy.Amount(2000), To: policy.Amount(4000), First: policy.Unlimited(), State: s,
		Plan:     actuators.Plan{Strategy: policy.Live, Steps: []actuators.Step{{Kind: "update", Args: json.RawMessage(`{"nano_cpus":4}`), Text: "update"}}},
		Times:    []actuators.Transition{{State: actuators.Proposed, At: at}, {State: s, At: at.Add(time.Second)}},
		Decision: policy.Decision{ID: "d" + id, At: at},
	}
}

func TestAnActionComesBackAsItWas(t *testing.T) {
	j := open(t, t.TempDir())
	want := action("a1", noon, actuators.Applying)
	must(t, j.Put(want))
	j = reopen(t, j)
	got, err := j.Action("a1")
	must(t, err)
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(policy.Quantity{})); diff != "" {
		t.Error(diff)
	}
}

func TestActionsAreListed(t *testing.T) {
	j := open(t, t.TempDir())
	other := action("c", noon.Add(2*time.Minute), actuators.Waiting)
	other.TargetName, other.Resource = "worker", policy.Memory
	for _, a := range []actuators.Action{
		action("b", noon.Add(time.Minute), actuators.Validating),
		other,
		action("a", noon, actuators.Committed),
		action("d", noon.Add(3*time.Minute), actuators.Applying),
	} {
		must(t, j.Put(a))
	}
	must(t, j.Put(action("d", noon.Add(3*time.Minute), actuators.Failed)))
	tests := map[string]struct {
		filter journal.ActionFilter
		want   string
	}{
		"all, newest first": {journal.ActionFilter{}, "d c b a"},
		"open":              {journal.ActionFilter{Open: true}, "c b"},
		"of a target":       {journal.ActionFilter{Target: "engram"}, "d b a"},
		"of a resource":     {journal.ActionFilter{Resource: policy.Memory}, "c"},
		"in a state":        {journal.ActionFilter{States: []actuators.ActionState{actuators.Committed, actuators.Failed}}, "d a"},
		"since":             {journal.ActionFilter{Since: noon.Add(2 * time.Minute)}, "d c"},
		"a few":             {journal.ActionFilter{Limit: 2}, "d c"},
	}
	for round := range 2 { // the second over a restart
		for name, test := range tests {
			got, err := j.Actions(test.filter)
			must(t, err)
			if ids := actionIDs(got); ids != test.want {
				t.Errorf("round %d: %s: got %s, want %s", round, name, ids, test.want)
			}
		}
		j = reopen(t, j)
	}
}

func actionIDs(all []actuators.Action) string {
	var ids []string
	for _, a := range all {
		ids = append(ids, a.ID)
	}
	return strings.Join(ids, " ")
}

func TestAnIDMayBeCutShort(t *testing.T) {
	j := open(t, t.TempDir())
	must(t, j.Put(action("abc1", noon, actuators.Waiting)))
	must(t, j.Put(action("abc2", noon, actuators.Waiting)))
	must(t, j.Put(action("abc", noon, actuators.Waiting)))
	tests := map[string]struct {
		id   string
		want string
		err  error
	}{
		"whole":                  {"abc2", "abc2", nil},
		"whole, also a begin":    {"abc", "abc", nil},
		"begin of several":       {"ab", "", journal.ErrAmbiguous},
		"of nothing":             {"x", "", journal.ErrNotFound},
		"empty":                  {"", "", journal.ErrNotFound},
		"longer than what is it": {"abc23", "", journal.ErrNotFound},
	}
	for name, test := range tests {
		got, err := j.Action(test.id)
		if got.ID != test.want || !errors.Is(err, test.err) {
			t.Errorf("%s: got %q, %v", name, got.ID, err)
		}
	}
}

func TestASecondProcessIsTurnedAway(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	_, err := journal.Open(dir, slog.New(slog.DiscardHandler))
	if !errors.Is(err, journal.ErrLocked) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{dir, fmt.Sprintf("process %d", os.Getpid()), "another data_dir"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
}

// poke writes into the file behind the journal's back.
func poke(t *testing.T, dir string, f func(*bolt.Tx) error) {
	t.Helper()
	db, err := bolt.Open(filepath.Join(dir, journal.FileName), 0o600, nil)
	must(t, err)
	must(t, errors.Join(db.Update(f), db.Close()))
}

func TestABrokenRecordIsSetAside(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	must(t, j.Put(action("good", noon, actuators.Waiting)))
	must(t, j.Put(action("flip", noon, actuators.Validating)))
	must(t, j.Put(action("moved", noon, actuators.Validating)))
	must(t, j.Close())
	poke(t, dir, func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte("actions"))
		raw := bytes.Clone(b.Get([]byte("flip")))
		raw[len(raw)/2] ^= 1
		return errors.Join(
			b.Put([]byte("flip"), raw),
			b.Put([]byte("foreign"), bytes.Clone(b.Get([]byte("moved")))),
			b.Put([]byte("empty"), nil),
			b.Put([]byte("text"), []byte("1 00000000 {}")),
			tx.Bucket([]byte("freezes")).Put([]byte("engram/"), []byte("what?")),
		)
	})

	var log bytes.Buffer
	j, err := journal.Open(dir, slog.New(slog.NewTextHandler(&log, nil)))
	must(t, err)
	var keys []string
	for _, f := range j.Faults() {
		keys = append(keys, f.Bucket+"/"+f.Key)
		if !strings.Contains(log.String(), "key="+f.Key) {
			t.Errorf("the log does not name %s", f.Key)
		}
	}
	if diff := cmp.Diff([]string{"actions/empty", "actions/flip", "actions/foreign", "actions/text", "freezes/engram/"}, keys); diff != "" {
		t.Error(diff)
	}
	actions, err := j.Actions(journal.ActionFilter{Open: true})
	must(t, err)
	if got := actionIDs(actions); got != "moved good" {
		t.Errorf("what is left: %s", got)
	}
	must(t, j.Close())
	poke(t, dir, func(tx *bolt.Tx) error {
		if raw := tx.Bucket([]byte("aside")).Get([]byte("actions/flip")); !bytes.Contains(raw, []byte("engram")) {
			t.Errorf("the broken record was not kept: %q", raw)
		}
		return nil
	})
	if j = open(t, dir); len(j.Faults()) != 0 {
		t.Errorf("reported twice: %v", j.Faults())
	}
}

func TestANewerJournalIsRefused(t *testing.T) {
	tests := map[string]func(*bolt.Tx) error{
		"record": func(tx *bolt.Tx) error {
			return tx.Bucket([]byte("actions")).Put([]byte("a"), []byte(`2 00000000 {"new":true}`))
		},
		"layout": func(tx *bolt.Tx) error {
			return tx.Bucket([]byte("meta")).Put([]byte("format"), []byte("2 00000000 9"))
		},
	}
	for name, write := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			must(t, open(t, dir).Close())
			poke(t, dir, write)
			_, err := journal.Open(dir, slog.New(slog.DiscardHandler))
			if !errors.Is(err, journal.ErrNewer) || !strings.Contains(err.Error(), "run that version") {
				t.Errorf("got %v", err)
			}
			// Refusing must not keep the file locked.
			poke(t, dir, func(*bolt.Tx) error { return nil })
		})
	}
}

func TestADamagedFileIsAnError(t *testing.T) {
	tests := map[string]func(text []byte) []byte{
		"not a journal": func([]byte) []byte { return bytes.Repeat([]byte("hello, world\n"), 5000) },
		"cut in half":   func(text []byte) []byte { return text[:len(text)/2] },
		"two pages":     func(text []byte) []byte { return text[:2*os.Getpagesize()] },
		"three pages":   func(text []byte) []byte { return text[:3*os.Getpagesize()] },
		"cut short":     func(text []byte) []byte { return text[:100] },
		"broken pages": func(text []byte) []byte {
			for i := 2 * os.Getpagesize(); i < len(text); i++ {
				text[i] = 0xa5
			}
			return text
		},
	}
	for name, harm := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			j := open(t, dir)
			for i := range 50 {
				must(t, j.Put(action(fmt.Sprint("a", i), noon, actuators.Waiting)))
			}
			must(t, j.Close())
			path := filepath.Join(dir, journal.FileName)
			text, err := os.ReadFile(path)
			must(t, err)
			must(t, os.WriteFile(path, harm(text), 0o600))
			_, err = journal.Open(dir, slog.New(slog.DiscardHandler))
			if !errors.Is(err, journal.ErrDamaged) || !strings.Contains(err.Error(), "move the file away") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAFileCutUnderTheAgentIsAnError(t *testing.T) {
	j := open(t, t.TempDir())
	must(t, j.Put(action("a", noon, actuators.Waiting)))
	must(t, os.Truncate(j.Path(), int64(os.Getpagesize())))
	// The pages are gone from under the memory map: without care this is the end of the process.
	if _, err := j.Action("a"); !errors.Is(err, journal.ErrDamaged) {
		t.Errorf("got %v", err)
	}
	if err := j.Put(action("b", noon, actuators.Waiting)); !errors.Is(err, journal.ErrDamaged) {
		t.Errorf("a broken journal took an action: %v", err)
	}
}

func TestADirectoryThatCannotBeUsedIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	_, err := journal.Open(filepath.Join(file, "data"), slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v", err)
	}
}

func TestConcurrentUse(t *testing.T) {
	j := open(t, t.TempDir())
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := range 10 {
				id := fmt.Sprint(i, "-", n)
				if err := j.Put(action(id, noon, actuators.Waiting)); err != nil {
					t.Error(err)
				}
				if _, err := j.PutDecisions(policy.Decision{At: noon, Proposal: policy.Proposal{Target: id}}); err != nil {
					t.Error(err)
				}
				if _, err := j.Actions(journal.ActionFilter{Open: true}); err != nil {
					t.Error(err)
				}
				if _, err := j.Prune(noon.Add(time.Hour), journal.Retention{Decisions: 5}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	all, err := j.Decisions(journal.DecisionFilter{})
	must(t, err)
	if len(all) > 6 {
		t.Errorf("%d decisions after pruning to 5", len(all))
	}
}

func TestCloseTwice(t *testing.T) {
	j := open(t, t.TempDir())
	must(t, j.Close())
	must(t, j.Close())
	if err := j.Put(action("a", noon, actuators.Waiting)); err == nil {
		t.Error("a closed journal took an action")
	}
}
