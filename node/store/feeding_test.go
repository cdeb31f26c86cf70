package store_test

import (
	"sync"
	"testing"
	"time"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
)

// A slow view takes its time to apply, and notes a checkpoint that came before it had what it was to make durable.
type slow struct {
	*mirror
	entered chan struct{}
	proceed chan struct{}
	asked   chan struct{}
	once    sync.Once
	asking  sync.Once
	early   bool
}

func (v *slow) Apply(ops []record.Op) {
	v.once.Do(func() {
		close(v.entered)
		<-v.proceed
	})
	v.mirror.Apply(ops)
}

func (v *slow) Checkpoint(lsn uint64) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.early = v.early || v.lsn < lsn
	v.asking.Do(func() { close(v.asked) })
	return nil
}

// TestACheckpointWaitsForTheViews: what the base says is there must be in the views' files, too, also of the batch that is just being
// applied.
func TestACheckpointWaitsForTheViews(t *testing.T) {
	v := &slow{mirror: newMirror(), entered: make(chan struct{}), proceed: make(chan struct{}), asked: make(chan struct{})}
	l := live(t, t.TempDir(), func(o *store.Options) {
		o.Views = func(*store.Space, string) ([]store.View, error) { return []store.View{v}, nil }
	})
	s := l.space("default")
	var wg sync.WaitGroup
	wg.Go(func() { do(t, s, put("a", "1")) })
	<-v.entered
	wg.Go(func() {
		if _, err := s.Checkpoint(t.Context()); err != nil {
			t.Error(err)
		}
	})
	select {
	case <-v.asked:
	case <-time.After(50 * time.Millisecond): // one that waits is not asked, however long we wait here
	}
	close(v.proceed)
	wg.Wait()
	if v.early {
		t.Error("a checkpoint made the view durable before it had the batch")
	}
}
