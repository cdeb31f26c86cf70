package load

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/engramd/engramd/node/disk"
	"golang.org/x/sys/unix"
)

// bareWrites is what a disk can do without any node above it: a loop that writes and syncs batches into a file that is there already, as
// the segments of the log are.
type bareWrites struct {
	f   *os.File
	at  int64
	buf []byte

	sync time.Duration // how much longer each sync takes
}

const bareRoom = 64 << 20

func newBareWrites(dir string, sync time.Duration) (*bareWrites, error) {
	f, err := os.CreateTemp(dir, "bare-")
	if err != nil {
		return nil, err
	}
	b := &bareWrites{f: f, sync: sync}
	if _, err := f.Write(make([]byte, bareRoom)); err != nil {
		return nil, fmt.Errorf("prepare the bare loop: %w", err)
	}
	if err := f.Sync(); err != nil {
		return nil, fmt.Errorf("prepare the bare loop: %w", err)
	}
	return b, nil
}

// write writes and syncs n batches of size bytes, and returns how long that took.
func (b *bareWrites) write(n, size int) (time.Duration, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if len(b.buf) < size {
		b.buf = bytes.Repeat([]byte{'x'}, size)
	}
	begin := time.Now()
	for range n {
		if b.at+int64(size) > bareRoom {
			b.at = 0
		}
		if _, err := b.f.WriteAt(b.buf[:size], b.at); err != nil {
			return 0, err
		}
		disk.Rest(b.sync)
		if err := unix.Fdatasync(int(b.f.Fd())); err != nil {
			return 0, err
		}
		b.at += int64(size)
	}
	return time.Since(begin), nil
}

func (b *bareWrites) close() error {
	_ = os.Remove(b.f.Name()) // the directory goes anyway
	return b.f.Close()
}
