package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/fileutil"
)

var (
	errClosed = errors.New("the metric store is closed")
	errParked = errors.New("the metric store cannot be written, and is closed until it can")
)

// A store is the embedded tsdb. Its database may be exchanged for another while it is in use: readers
// and appenders hold mu for reading as long as they live, an exchange waits for them.
type store struct {
	dir       string
	retention time.Duration
	log       *slog.Logger
	m         *metrics

	mu     sync.RWMutex
	db     *tsdb.DB             // nil once closed, or while it cannot be opened again
	reg    *prometheus.Registry // the open database's own metrics
	closed bool
	parked time.Time     // when the database was last closed or opened, or failed to open
	wait   time.Duration // from then until it is tried again
	lock   fileutil.Releaser

	// generation counts exchanges; see appender.
	generation atomic.Uint64
	// newest is the largest time, in ms, that a collector of ours appended or that was found at open;
	// since is the time of the last exchange: what is older was measured by a clock that is no more.
	newest, since atomic.Int64
	disk          disk
	churn         churn
}

// openStore opens the database in dir, repairing what can be repaired.
func openStore(dir string, retention time.Duration, log *slog.Logger, m *metrics) (*store, error) {
	s := &store{dir: dir, retention: retention, log: log, m: m, disk: disk{dir: dir, log: log, m: m}}
	s.churn.most.Store(defaultMaxSeries)
	s.churn.mostEndpoint.Store(defaultMaxSeriesEndpoint)
	s.since.Store(minTime)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the metric store: %w", err)
	}
	// The lock is ours and not the tsdb's: it also covers repairs.
	lock, _, err := fileutil.Flock(filepath.Join(dir, lockFile))
	if err != nil {
		return nil, orElse(hopeless(dir, err), fmt.Errorf("lock the metric store %s: %w", dir, err))
	}
	s.lock = lock
	if err := s.open(); err != nil {
		return nil, errors.Join(err, lock.Release())
	}
	return s, nil
}

const lockFile = "lock"

const minTime = -1 << 62

// open sets db, reg and newest. The caller holds mu or is alone.
func (s *store) open() error {
	db, reg, err := openRepaired(s.dir, s.retention, s.log, s.m)
	if err != nil {
		return err
	}
	s.db, s.reg = db, reg
	newest := int64(minTime)
	if head := db.Head(); head.NumSeries() > 0 {
		newest = head.MaxTime()
	}
	for _, b := range db.BlockMetas() {
		newest = max(newest, b.MaxTime-1)
	}
	s.newest.Store(newest)
	s.generation.Add(1)
	return nil
}

// close closes the database. It is idempotent and waits for readers and appenders.
func (s *store) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	var err error
	if s.db != nil {
		err = s.db.Close()
	}
	s.db = nil
	if err := errors.Join(err, s.lock.Release()); err != nil {
		return fmt.Errorf("close the metric store %s: %w", s.dir, err)
	}
	return nil
}

// Querier implements [storage.Queryable].
func (s *store) Querier(mint, maxt int64) (storage.Querier, error) {
	s.mu.RLock()
	if s.db == nil {
		closed := s.closed
		s.mu.RUnlock()
		if closed {
			return nil, errClosed
		}
		return nil, errParked
	}
	q, err := s.db.Querier(mint, maxt)
	if err != nil {
		s.mu.RUnlock()
		return nil, err
	}
	return &querier{Querier: q, release: s.mu.RUnlock}, nil
}

// A querier keeps the database from being exchanged until it is closed.
type querier struct {
	storage.Querier
	release func()
	once    sync.Once
}

func (q *querier) Close() error {
	err := q.Querier.Close()
	q.once.Do(q.release)
	return err
}

// stat describes the database for the store's metrics.
func (s *store) stat() (series uint64, bytes int64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.db == nil {
		return 0, 0
	}
	bytes = s.db.Head().Size()
	for _, b := range s.db.Blocks() {
		bytes += b.Size()
	}
	return s.db.Head().NumSeries(), bytes
}

// setRetention applies another retention from the next compaction on.
func (s *store) setRetention(ctx context.Context, d time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db == nil || s.retention == d {
		return nil
	}
	if err := s.db.ApplyConfig(retentionConfig(d)); err != nil {
		return fmt.Errorf("set the retention of the metric store to %s: %w", d, err)
	}
	s.log.InfoContext(ctx, "metric retention changed", "from", s.retention, "to", d)
	s.retention = d
	return nil
}
