package telemetry

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/units"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/util/compression"
)

// openRepaired opens the database in dir. The tsdb repairs a torn log by itself; where it cannot, the
// damaged part is set aside and the rest is opened: measurements can be taken again, and an agent
// that does not start is worse than one that has forgotten.
func openRepaired(dir string, retention time.Duration, log *slog.Logger, m *metrics) (*tsdb.DB, *prometheus.Registry, error) {
	aside := func(find func(string) ([]string, error), why error) error {
		names, err := find(dir)
		if err == nil && len(names) > 0 {
			err = setAside(dir, names)
		}
		if err != nil || len(names) == 0 {
			return err
		}
		m.repairs.Inc()
		log.Warn("the metric store was damaged; a part of it was set aside, and its samples are lost to the agent",
			"set_aside", filepath.Join(dir, asideDir), "parts", names, "error", why)
		return nil
	}
	// Broken blocks are looked for first: the tsdb leaks its log when it meets one while opening.
	if err := aside(brokenBlocks, errBrokenBlock); err != nil {
		return nil, nil, fmt.Errorf("open the metric store %s: %w", dir, err)
	}
	var first error
	for _, damaged := range []func(string) ([]string, error){nil, headFiles, everything} {
		if damaged != nil {
			if err := aside(damaged, first); err != nil {
				return nil, nil, fmt.Errorf("open the metric store %s: %w (while repairing it: %w)", dir, first, err)
			}
		}
		db, reg, err := openOnce(dir, retention, log, m)
		if err == nil {
			return db, reg, nil
		}
		if err := hopeless(dir, err); err != nil {
			return nil, nil, err
		}
		if first == nil {
			first = err
		}
	}
	return nil, nil, fmt.Errorf("open the metric store %s: %w", dir, first)
}

var errBrokenBlock = errors.New("a block cannot be opened")

// hopeless turns the errors that no repair cures into sentences with a remedy, and others into nil.
func hopeless(dir string, err error) error {
	switch {
	case errors.Is(err, syscall.EAGAIN):
		return fmt.Errorf("the metric store %s is in use by another process: stop it, or give this agent another data_dir: %w", dir, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("the metric store %s: make it readable and writable for this user, or choose another data_dir: %w", dir, err)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("the metric store %s is on a read-only file system: choose another data_dir: %w", dir, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("the metric store %s: no space left on its disk: free some, or choose another data_dir: %w", dir, err)
	}
	return nil
}

func openOnce(dir string, retention time.Duration, log *slog.Logger, m *metrics) (*tsdb.DB, *prometheus.Registry, error) {
	reg := prometheus.NewRegistry()
	db, err := tsdb.Open(dir, quiet(log), reg, storeOptions(retention), nil)
	if err != nil {
		return nil, nil, err
	}
	if n := counterValue(reg, "prometheus_tsdb_wal_corruptions_total"); n > 0 {
		m.repairs.Inc()
		log.Warn("the metric store's log was damaged and has been cut where the damage begins; the newest samples before the last stop may be lost", "dir", dir)
	}
	return db, reg, nil
}

// storeOptions keep the database small: a few thousand series, not millions.
func storeOptions(retention time.Duration) *tsdb.Options {
	o := tsdb.DefaultOptions()
	o.NoLockfile = true
	o.RetentionDuration = retention.Milliseconds()
	o.MaxBlockDuration = max(o.MinBlockDuration, min(retention/10, 31*24*time.Hour).Milliseconds())
	o.StripeSize = 512
	o.WALSegmentSize = 16 << 20
	o.WALCompression = compression.Snappy
	o.HeadChunksWriteBufferSize = 64 << 10
	o.WALReplayConcurrency = 1
	return o
}

func retentionConfig(d time.Duration) *config.Config {
	return &config.Config{StorageConfig: config.StorageConfig{TSDBConfig: &config.TSDBConfig{
		Retention: &config.TSDBRetentionConfig{Time: model.Duration(d), Size: units.Base2Bytes(0)},
	}}}
}

// asideDir is where damaged parts go. It holds the parts of one repair: the next one replaces them.
const asideDir = "set-aside"

func setAside(dir string, names []string) error {
	aside := filepath.Join(dir, asideDir)
	if err := os.RemoveAll(aside); err != nil {
		return fmt.Errorf("remove what an earlier repair set aside: %w", err)
	}
	if err := os.Mkdir(aside, 0o700); err != nil {
		return fmt.Errorf("set damaged parts aside: %w", err)
	}
	for _, name := range names {
		if err := os.Rename(filepath.Join(dir, name), filepath.Join(aside, name)); err != nil {
			return fmt.Errorf("set a damaged part aside: %w", err)
		}
	}
	return nil
}

// headFiles are the parts that hold the last hours.
func headFiles(dir string) ([]string, error) {
	return entries(dir, func(name string) bool {
		return name == "wal" || name == "wbl" || name == "chunks_head" || strings.HasPrefix(name, "chunk_snapshot.")
	})
}

// brokenBlocks are the blocks that do not open.
func brokenBlocks(dir string) ([]string, error) {
	return entries(dir, func(name string) bool {
		if _, err := os.Stat(filepath.Join(dir, name, "meta.json")); err != nil {
			return false
		}
		b, err := tsdb.OpenBlock(nil, filepath.Join(dir, name), nil, nil)
		if err != nil {
			return true
		}
		return b.Close() != nil
	})
}

func everything(dir string) ([]string, error) {
	return entries(dir, func(name string) bool { return name != asideDir && name != lockFile })
}

func entries(dir string, keep func(name string) bool) ([]string, error) {
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range list {
		if keep(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}
