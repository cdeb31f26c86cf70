package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/node/store"
)

// TestWALRetention: what is checkpointed stays in the log as long as it is told, through a restart, and goes when it is told.
func TestWALRetention(t *testing.T) {
	dir := t.TempDir()
	hour := func(o *store.Options) { o.WALRetention = time.Hour }
	l := live(t, dir, hour)
	s := l.space("default")
	text := strings.Repeat("x", 10_000)
	model := map[string]string{}
	for i := range 30 { // some segments of 64 KiB
		id := fmt.Sprint("m", i)
		model[id] = text
		do(t, s, put(id, text))
	}
	checkpoint(t, l)
	before := l.Stats().WAL
	if before.Retained < 3 || before.RetainedBytes != int64(before.Retained)*64<<10 || before.SealedPending != 0 {
		t.Errorf("after the checkpoint: %+v", before)
	}
	l.end()
	l = live(t, dir, hour)
	compare(t, l.space("default"), model)
	if now := l.Stats().WAL; now.Retained < before.Retained {
		t.Errorf("after a restart: %+v; want at least %d segments kept", now, before.Retained)
	}
	l.SetWALRetention(time.Minute)
	if err := l.TrimWAL(time.Minute); err != nil || l.Stats().WAL.Retained < before.Retained {
		t.Errorf("trimmed what is young: %+v, %v", l.Stats().WAL, err)
	}
	if err := l.TrimWAL(0); err != nil || l.Stats().WAL.Retained != 0 {
		t.Errorf("after trimming all: %+v, %v", l.Stats().WAL, err)
	}
	l.end()
	compare(t, live(t, dir, nil).space("default"), model)
}
