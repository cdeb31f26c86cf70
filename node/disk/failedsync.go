package disk

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// failedSyncFile is there after a sync failed, until the next start.
const failedSyncFile = "sync-failed"

// NoteFailedSync notes that a sync failed, or a write: from then on the kernel may show what the disk does not have, and say that it is durable. The
// note is for whoever sees the kernel's cache, so it needs no sync itself. Where it cannot be made only a restart of the machine helps.
func NoteFailedSync(fsys FS) {
	if f, err := fsys.Create(failedSyncFile); err == nil {
		_ = f.Close()
	}
}

// DropStale has the kernel read the files in dirs again, if a failed sync is noted. Nobody has them open, and whoever asks has synced them.
func (o *OS) DropStale(dirs ...string) error {
	if _, err := o.root.Stat(failedSyncFile); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, dir := range dirs {
		if err := o.walk(dir, dropCache); err != nil {
			return err
		}
	}
	return o.root.Remove(failedSyncFile)
}

func dropCache(f *os.File) error {
	if info, err := f.Stat(); err != nil || info.IsDir() {
		return err
	}
	return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
}
