package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/engramd/engramd/policy"
	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// FileName is the journal's file below data_dir.
const FileName = "journal.db"

// Sentinels that errors of this package wrap.
var (
	// ErrNotFound says that there is no record of that id.
	ErrNotFound = errors.New("not found")
	// ErrAmbiguous says that several ids begin like the one given.
	ErrAmbiguous = errors.New("ambiguous id")
	// ErrLocked says that another process has the journal open.
	ErrLocked = errors.New("journal is in use")
	// ErrNewer says that a newer engramd wrote the journal.
	ErrNewer = errors.New("journal was written by a newer engramd")
	// ErrDamaged says that the file itself, not only a record, cannot be read.
	ErrDamaged = errors.New("journal is damaged")
)

// A Journal is one open journal file.
type Journal struct {
	db   *bolt.DB
	file *os.File // the one that db uses
	log  *slog.Logger
	path string
	// broken says that bbolt panicked: it may hold its locks for ever, so nobody calls it again.
	broken atomic.Bool
	ask    atomic.Pointer[func(what string) error] // see FailWrites

	index index
	// repeated are the decisions that have only repeated themselves since decisions were written, and written is when
	// that was; guarded by the index's lock.
	repeated map[string]policy.Decision
	written  time.Time
	faults   []Fault

	closing sync.Once
	closed  error
}

// lockPatience is how long Open waits for a process that is just about to leave.
const lockPatience = 500 * time.Millisecond

// Open opens the journal in the directory dir, and makes both if they are missing. It wraps ErrLocked
// with the holder, ErrNewer or ErrDamaged where the file cannot be used, each with what to do.
func Open(dir string, log *slog.Logger) (*Journal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open journal: make data_dir: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	// The file stays open by itself; the root is needed only until bbolt has it.
	defer root.Close()

	j := &Journal{log: log, path: filepath.Join(dir, FileName), index: newIndex(), repeated: map[string]policy.Decision{}}
	err = j.guarded(func() (err error) {
		j.db, err = bolt.Open(FileName, 0o600, &bolt.Options{
			Timeout:      lockPatience,
			FreelistType: bolt.FreelistMapType,
			NoStatistics: true,
			OpenFile: func(name string, flag int, mode fs.FileMode) (*os.File, error) {
				j.file, err = root.OpenFile(name, flag, mode)
				return j.file, err
			},
		})
		return err
	})
	if err != nil {
		if j.broken.Load() {
			j.file.Close() // bbolt did not come to it
		}
		return nil, j.explain(dir, err)
	}
	if err := j.guarded(j.prepare); err != nil {
		return nil, errors.Join(j.explain(dir, err), j.Close())
	}
	return j, nil
}

// Close writes down what has only repeated itself, and closes the file. It may be called more than once.
func (j *Journal) Close() error {
	j.closing.Do(func() {
		j.index.mu.Lock()
		defer j.index.mu.Unlock()
		if len(j.repeated) > 0 {
			if err := j.write(nil); err != nil {
				j.log.Warn("how often decisions repeated themselves in the last minute is not written down", "error", err)
			}
		}
		closing := j.db.Close
		if j.broken.Load() {
			closing = j.file.Close
		}
		if err := closing(); err != nil {
			j.closed = fmt.Errorf("close journal: %w", err)
		}
	})
	return j.closed
}

// Path is where the journal's file is.
func (j *Journal) Path() string { return j.path }

// explain turns what bbolt says into what a person can do.
func (j *Journal) explain(dir string, err error) error {
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		who := "another process"
		if pid, ok := lockHolder(j.path); ok {
			who = fmt.Sprintf("process %d", pid)
		}
		return fmt.Errorf("open journal: data_dir %s: %w by %s: stop it, or give this engramd another data_dir", dir, ErrLocked, who)
	case errors.Is(err, ErrNewer):
		return fmt.Errorf("open journal %s: %w: run that version, or move the file away to start without history", j.path, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("open journal: data_dir %s: %w: run engramd as the directory's owner, or give it another data_dir", dir, err)
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
		fallthrough
	case errors.Is(err, ErrDamaged):
		return fmt.Errorf("open journal %s: %w: finish or undo by hand what may have been under way, then move the file away", j.path, err)
	}
	return fmt.Errorf("open journal %s: %w", j.path, err)
}

// Faults lists the records that Open could not read and set aside.
func (j *Journal) Faults() []Fault { return j.faults }

// A Fault is a record that could not be read.
type Fault struct {
	Bucket string          `json:"bucket"`
	Key    string          `json:"key"`
	Reason string          `json:"reason"`
	At     time.Time       `json:"at"`
	Raw    json.RawMessage `json:"raw"` // the record as a JSON string
}
