package journal_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/engramd/engramd/agent/journal"
	"github.com/engramd/engramd/policy"
	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"
)

func TestControlsOutliveARestart(t *testing.T) {
	j := open(t, t.TempDir())
	freeze := journal.Freeze{Target: "engram", Resource: policy.CPU, Reason: "two reversals", By: "engramd", At: noon}
	all := journal.Freeze{Target: "engram", Reason: "release", By: "anna", At: noon, Until: noon.Add(time.Hour)}
	pause := journal.Pause{Reason: "release", By: "anna", At: noon, Until: noon.Add(time.Hour)}
	must(t, j.PutFreeze(freeze))
	must(t, j.PutFreeze(all))
	must(t, j.PutPause(pause))
	must(t, j.PutPause(journal.Pause{Target: "worker", At: noon}))
	must(t, j.PutLedger("engram", json.RawMessage(`{"hour":3}`)))
	must(t, j.PutMeta("clock", json.RawMessage(`12`)))
	j = reopen(t, j)

	freezes, err := j.Freezes()
	must(t, err)
	if diff := cmp.Diff([]journal.Freeze{all, freeze}, freezes); diff != "" {
		t.Error(diff)
	}
	must(t, j.DropFreeze("engram", ""))
	must(t, j.DropFreeze("engram", policy.Memory)) // there is none
	if freezes, err = j.Freezes(); err != nil || len(freezes) != 1 || freezes[0].Resource != policy.CPU {
		t.Errorf("freezes left: %v, %v", freezes, err)
	}
	must(t, j.DropPause("worker"))
	pauses, err := j.Pauses()
	must(t, err)
	if diff := cmp.Diff([]journal.Pause{pause}, pauses); diff != "" {
		t.Error(diff)
	}
	if text, ok, err := j.Ledger("engram"); err != nil || !ok || string(text) != `{"hour":3}` {
		t.Errorf("ledger %s, %v, %v", text, ok, err)
	}
	if _, ok, err := j.Ledger("worker"); ok || err != nil {
		t.Errorf("a ledger out of nowhere: %v, %v", ok, err)
	}
	if text, ok, err := j.Meta("clock"); err != nil || !ok || string(text) != `12` {
		t.Errorf("meta %s, %v, %v", text, ok, err)
	}
}

func TestTheFirstOriginalStays(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	original := journal.Original{Target: "engram", Resource: policy.CPU, Size: policy.Unlimited(), Driver: "docker", At: noon}
	later := original
	later.Size = policy.Amount(4000)
	for i, o := range []journal.Original{original, later} {
		if wrote, err := j.KeepOriginal(o); err != nil || wrote != (i == 0) {
			t.Errorf("%d: wrote %v, %v", i, wrote, err)
		}
	}
	got, err := j.Originals("engram")
	must(t, err)
	if diff := cmp.Diff([]journal.Original{original}, got, cmp.AllowUnexported(policy.Quantity{})); diff != "" {
		t.Error(diff)
	}
	if got, err := j.Originals("worker"); err != nil || len(got) != 0 {
		t.Errorf("of another target: %v, %v", got, err)
	}

	// A lost original is not replaced by a size that may be ours.
	must(t, j.Close())
	poke(t, dir, func(tx *bolt.Tx) error {
		return tx.Bucket([]byte("originals")).Put([]byte("engram/cpu"), []byte("1 garbage"))
	})
	j = open(t, dir)
	if wrote, err := j.KeepOriginal(later); err != nil || wrote {
		t.Errorf("a lost original was replaced: %v, %v", wrote, err)
	}
	must(t, j.DropOriginal("engram", policy.CPU))
	if got, err := j.Originals(""); err != nil || len(got) != 0 {
		t.Errorf("originals left: %v, %v", got, err)
	}
}
