package disk

import (
	"time"

	"golang.org/x/sys/unix"
)

// Slow is a file system whose files take longer to sync. Where a disk answers out of its cache, measurements on it say what is left on one
// that does not.
type Slow struct {
	FS
	Delay time.Duration // of each sync of a file
}

type slowFile struct {
	File
	delay time.Duration
}

// Create implements FS.
func (d Slow) Create(name string) (File, error) {
	f, err := d.FS.Create(name)
	return slowFile{f, d.Delay}, err
}

// Open implements FS.
func (d Slow) Open(name string) (File, error) {
	f, err := d.FS.Open(name)
	return slowFile{f, d.Delay}, err
}

// Sync implements File.
func (f slowFile) Sync() error {
	Rest(f.delay)
	return f.File.Sync()
}

// Rest blocks the thread for d, as a sync does.
func Rest(d time.Duration) {
	if d > 0 {
		ts := unix.NsecToTimespec(d.Nanoseconds())
		for unix.Nanosleep(&ts, &ts) == unix.EINTR {
		}
	}
}
