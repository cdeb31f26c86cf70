package tier_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/engramd/engramd/node/pressure"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
	"github.com/engramd/engramd/node/tier"
)

const (
	modelWriters = 4
	modelIDs     = 400 // of each writer
)

// A model is a map of what must be read, beside a space that is under load.
type model struct {
	t     *testing.T
	l     *life
	s     *store.Space
	v     *tier.View
	clock *clock
	// written is the number of the last acknowledged write of an id; a read that begins later never sees one before.
	written [modelWriters * modelIDs]atomic.Int64
	// there is what the writer of an id knows: whether it exists. Only its writer uses it.
	there [modelWriters * modelIDs]bool
	stop  chan struct{}
}

// A stubborn one keeps copies that it was told to drop or to replace.
type stubborn struct {
	copies sync.Map
	calls  atomic.Int64
}

func (s *stubborn) Get(key uint64) (record.Value, bool) {
	v, ok := s.copies.Load(key)
	if !ok {
		return nil, false
	}
	return v.(record.Value), true
}

func (s *stubborn) Set(key uint64, v record.Value) {
	if s.calls.Add(1)%3 != 0 {
		s.copies.LoadOrStore(key, v)
		return
	}
	s.copies.Store(key, v)
}

func (s *stubborn) Drop(uint64)       {}
func (s *stubborn) Clear()            {}
func (s *stubborn) Resize(int64)      {}
func (s *stubborn) Usage() tier.Usage { return tier.Usage{} }
func (s *stubborn) Close()            {}

// TestModel holds the promise that no memory is lost or served stale by a change of its tier: writers put, patch, delete and access, others
// read, while sweeps, migrations, checkpoints, other settings, other sizes and pressure go on. Then everything is compared, and again after a restart.
func TestModel(t *testing.T) {
	t.Run("ristretto", func(t *testing.T) { runModel(t, nil) })
	t.Run("copies that are stale whenever they can be", func(t *testing.T) { runModel(t, &stubborn{}) })
}

func runModel(t *testing.T, copies tier.Copies) {
	writes := 400
	if os.Getenv("ENGRAMD_TEST_LARGE") != "" {
		writes = 20_000
	}
	c := newClock()
	dir := t.TempDir()
	var used atomic.Int64
	gauge := pressure.New(pressure.Options{Read: func() (pressure.Reading, error) {
		return pressure.Reading{Bounds: []pressure.Bound{{Name: "test", UsedBytes: used.Load(), LimitBytes: 100}}}, nil
	}})
	opts := tier.Options{
		HotBytes: 4 << 20, Copies: copies, Now: c.Now, MigratePerSecond: 1 << 20, Pressure: gauge, ReturnMemory: func() {},
	}
	l := live(t, dir, opts)
	m := &model{t: t, l: l, clock: c, stop: make(chan struct{})}
	m.s, m.v = l.space("default")
	for i := range m.written {
		m.write(rand.New(rand.NewPCG(uint64(i), 0)), i, 0)
	}
	var writers, others sync.WaitGroup
	for w := range modelWriters {
		writers.Go(func() { m.writer(w, writes) })
	}
	for r := range 2 {
		others.Go(func() { m.reader(uint64(r)) })
	}
	others.Go(func() { m.sweeper(gauge, &used) })
	others.Go(func() { m.checkpointer() })
	writers.Wait()
	close(m.stop)
	others.Wait()
	used.Store(10)
	gauge.Sample()
	checkpoint(t, l)
	l.tiers.EvictNow()
	settled(t, l)
	m.compare("at the end")
	stats := l.tiers.Stats()
	t.Logf("%+v, hits %d, misses %d, dictionaries %d, moves %+v", stats.Distribution, stats.Hits, stats.Misses, stats.Dictionaries, stats.Moves)
	for _, mv := range stats.Moves {
		if mv.Total == 0 {
			t.Errorf("nothing went from %v to %v: the test tests nothing", mv.From, mv.To)
		}
	}
	if stats.Hits == 0 || stats.Misses == 0 || stats.Dictionaries == 0 {
		t.Errorf("hits %d, misses %d, dictionaries %d: the test tests nothing", stats.Hits, stats.Misses, stats.Dictionaries)
	}
	l.end()
	if t.Failed() {
		return
	}
	m.l = live(t, dir, opts)
	m.s, m.v = m.l.space("default")
	m.compare("after a restart")
}

// content is that of a write: its id, its number, and as much text as the number says.
func (m *model) content(i int, number int64) string {
	return fmt.Sprintf("%d#%d#%s", i, number, strings.Repeat(text(int(number)), int(number%5)))
}

func (m *model) check(i int, content string, floor int64) error {
	parts := strings.SplitN(content, "#", 3)
	if len(parts) != 3 || parts[0] != strconv.Itoa(i) {
		return fmt.Errorf("memory %d reads %q", i, content)
	}
	number, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil || content != m.content(i, number) {
		return fmt.Errorf("memory %d reads %q", i, content)
	}
	if number < floor {
		return fmt.Errorf("memory %d reads write %d, and %d was acknowledged before", i, number, floor)
	}
	return nil
}

// write does one change of an id and says that it is acknowledged.
func (m *model) write(r *rand.Rand, i int, kind int) {
	next := m.written[i].Load() + 1
	mem := memory(id(i), m.content(i, next), m.clock.Now())
	change := put(mem)
	if m.there[i] {
		switch kind {
		case 1:
			change = store.Change{Kind: record.Delete, ID: id(i)}
		case 2:
			_, version, _ := m.s.Lookup(id(i))
			change.IfVersion = version
		case 3, 4, 5:
			change = touch(id(i), r.Float32(), m.clock.Now())
		}
	}
	res, err := m.s.Apply(m.t.Context(), []store.Change{change})
	if err = errors.Join(err, res[0].Err); err != nil {
		m.t.Errorf("write %d of %d: %v", next, i, err)
		return
	}
	if change.Kind == record.Touch {
		return
	}
	m.there[i] = change.Kind == record.Put
	m.written[i].Store(next)
}

func (m *model) writer(w, writes int) {
	r := rand.New(rand.NewPCG(uint64(w), 1))
	for range writes {
		i := w*modelIDs + r.IntN(modelIDs)
		m.write(r, i, r.IntN(9))
		if m.t.Failed() {
			return
		}
		m.own(i)
	}
}

// own reads what only the caller writes: it is exactly the last write.
func (m *model) own(i int) {
	ord, _, ok := m.s.Lookup(id(i))
	if ok != m.there[i] {
		m.t.Errorf("memory %d is there: %v, must be: %v", i, ok, m.there[i])
		return
	}
	if !ok {
		return
	}
	var mem record.Memory
	where, err := m.v.Get(ord, &mem)
	if err != nil || mem.Content != m.content(i, m.written[i].Load()) {
		m.t.Errorf("memory %d, write %d, from %v: %.40q %v", i, m.written[i].Load(), where, mem.Content, err)
	}
}

func (m *model) reader(seed uint64) {
	r := rand.New(rand.NewPCG(seed, 2))
	for !m.over() {
		i := r.IntN(len(m.written))
		floor := m.written[i].Load()
		ord, _, ok := m.s.Lookup(id(i))
		if !ok {
			continue
		}
		var mem record.Memory
		_, err := m.v.Get(ord, &mem)
		switch {
		case errors.Is(err, store.ErrNotFound):
			continue // deleted meanwhile
		case err != nil:
			m.t.Errorf("memory %d: %v", i, err)
			return
		case mem.ID != id(i):
			continue // its ordinal went on to another one between look-up and read
		}
		if err := m.check(i, mem.Content, floor); err != nil {
			m.t.Error(err)
			return
		}
	}
}

func (m *model) over() bool {
	select {
	case <-m.stop:
		return true
	default:
		return m.t.Failed()
	}
}

// sweeper evicts and lets in, with settings that change, under pressure that comes and goes.
func (m *model) sweeper(gauge *pressure.Gauge, used *atomic.Int64) {
	r := rand.New(rand.NewPCG(3, 3))
	for !m.over() {
		m.clock.add(time.Duration(r.IntN(600)) * time.Second)
		c := tier.Change{
			HotMaxRatio: new(r.Float64()), WarmMaxRatio: new(r.Float64()), HotThreshold: new(0.5 + r.Float64()/2),
			WarmThreshold: new(r.Float64() / 2), HotEvery: new(time.Second), WarmEvery: new(time.Second),
			HotBytes: new(int64(r.IntN(3)) << 21),
		}
		if _, err := m.l.tiers.Change(c); err != nil {
			m.t.Error(err)
			return
		}
		if r.IntN(3) == 0 {
			m.l.tiers.EvictNow()
		} else {
			m.l.tiers.SweepNow()
		}
		if r.IntN(8) == 0 {
			used.Store(int64(r.IntN(100)))
			gauge.Sample()
		} else if r.IntN(4) == 0 {
			used.Store(10)
			gauge.Sample()
		}
		eventually(m.t, "a migration ends", func() bool { return !m.l.tiers.Stats().Migrating })
	}
}

func (m *model) checkpointer() {
	for !m.over() {
		if err := m.l.Checkpoint(context.Background()); err != nil {
			m.t.Error(err)
			return
		}
	}
}

// compare reads everything while nothing changes.
func (m *model) compare(when string) {
	m.t.Helper()
	for i := range m.written {
		m.own(i)
	}
	if err := m.v.Check(); err != nil {
		m.t.Errorf("%s: %v", when, err)
	}
}
