package load

import (
	"context"
	"errors"
	"time"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/disk"
	"golang.org/x/sys/unix"
)

// A slowDisk takes longer to sync. Where a disk answers out of its cache, it says what is left on one that does not.
type slowDisk struct {
	disk.FS
	sync time.Duration
}

type slowFile struct {
	disk.File
	sync time.Duration
}

func (d slowDisk) Create(name string) (disk.File, error) {
	f, err := d.FS.Create(name)
	return slowFile{f, d.sync}, err
}

func (d slowDisk) Open(name string) (disk.File, error) {
	f, err := d.FS.Open(name)
	return slowFile{f, d.sync}, err
}

func (f slowFile) Sync() error {
	rest(f.sync)
	return f.File.Sync()
}

// rest blocks the thread, as a sync does.
func rest(d time.Duration) {
	if d > 0 {
		ts := unix.NsecToTimespec(d.Nanoseconds())
		for unix.Nanosleep(&ts, &ts) == unix.EINTR {
		}
	}
}

// withLog is with, for a node whose log takes as long to sync as the job says.
func (j *job) withLog(ctx context.Context, o node.Options, f func(*running) error) error {
	if j.SyncDelay <= 0 {
		return with(ctx, o, f)
	}
	fsys, err := disk.NewOS(o.DataDir)
	if err != nil {
		return err
	}
	o.Store.WAL.FS = slowDisk{fsys, j.SyncDelay}
	return errors.Join(with(ctx, o, f), fsys.Close())
}
