package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"syscall"
	"time"
)

// diskFloor is the free space below which nothing is appended. The tsdb panics in a goroutine of its
// own when it cannot write a finished chunk, so the space for those must be there when the last sample
// is taken: a few hundred bytes a series.
const (
	diskFloor    = 32 << 20
	diskRecheck  = time.Second
	bytesASeries = 1 << 10
)

// A disk knows whether samples can be written, and says so once a change.
type disk struct {
	dir string
	log *slog.Logger
	m   *metrics
	// free reports the space left in dir; nil asks the file system. Tests set it.
	free func(dir string) (uint64, error)

	mu      sync.Mutex
	full    bool
	checked time.Time
}

// writable reports whether samples may be appended now to a head of that many series. While the disk
// is full it lets a try through every second.
func (d *disk) writable(ctx context.Context, series int64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	if since := now.Sub(d.checked); since >= 0 && since < diskRecheck {
		return !d.full
	}
	d.checked = now
	free := d.free
	if free == nil {
		free = freeBytes
	}
	left, err := free(d.dir)
	// What cannot be asked is found out by writing.
	if err == nil && left < uint64(diskFloor+series*bytesASeries) {
		d.setFull(ctx, errors.New("hardly any space left on the disk"))
		return false
	}
	return true
}

// failed notes that a write failed.
func (d *disk) failed(ctx context.Context, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.checked = time.Now()
	d.setFull(ctx, err)
}

// wrote notes that a write succeeded.
func (d *disk) wrote(ctx context.Context) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.full {
		return
	}
	d.full = false
	d.m.storeFull.Set(0)
	d.log.InfoContext(ctx, "the metric store takes samples again", "dir", d.dir)
}

func (d *disk) setFull(ctx context.Context, err error) {
	if d.full {
		return
	}
	d.full = true
	d.m.storeFull.Set(1)
	d.log.ErrorContext(ctx, "the metric store takes no samples: free some space; until then every signal is unknown and nothing is decided",
		"dir", d.dir, "error", err)
}

func freeBytes(dir string) (uint64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return st.Bavail * uint64(st.Bsize), nil
}
