package hostlock

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/engramd/engramd/actuators"
)

// openDir opens a directory and follows no link to it.
const openDir = os.O_RDONLY | syscall.O_DIRECTORY | syscall.O_NOFOLLOW

// Sentinels that errors of this package wrap.
var (
	// ErrHeld says that another agent holds the lock; see [HeldError].
	ErrHeld = actuators.ErrHeld
	// ErrLost says that the lock file was removed or replaced: nobody may act before it is taken again.
	ErrLost = actuators.ErrLost
	// ErrUntrusted says that there is a record which this user may not read or should not believe.
	ErrUntrusted = errors.New("record of an unfinished action is not ours to use")
)

// A Holder is what an agent says of itself in the lock file.
type Holder struct {
	PID     int       `json:"pid"`
	DataDir string    `json:"data_dir"`
	Since   time.Time `json:"since"`
}

// A HeldError says who holds a lock. Fields are zero where that is not known.
type HeldError struct {
	Holder
	Path string
}

// Error names the holder and what to do.
func (e *HeldError) Error() string {
	who := "an unknown process"
	if e.PID > 0 {
		who = fmt.Sprintf("process %d", e.PID)
	}
	if e.DataDir != "" {
		who += " with data_dir " + e.DataDir
	}
	if !e.Since.IsZero() {
		who += " since " + e.Since.UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("%v: %s (%s): this one stands by until that one ends", ErrHeld, who, e.Path)
}

// Unwrap makes a HeldError an ErrHeld.
func (e *HeldError) Unwrap() error { return ErrHeld }

// A Lock is one target held by this process.
type Lock struct {
	dir  Dir
	base string // of the file names
	root *os.Root

	mu   sync.Mutex
	file *os.File // nil once closed
}

// TryLock takes the lock of the target with that key, for an agent with that data_dir. It does not
// wait: it returns a *HeldError, which is an ErrHeld, if another process has it.
func (d Dir) TryLock(key, dataDir string) (*Lock, error) {
	root, err := d.prepare()
	if err != nil {
		return nil, fmt.Errorf("host lock: prepare %s: %w: it must be writable for this user", d, err)
	}
	sum := sha256.Sum256([]byte(key))
	l := &Lock{dir: d, base: hex.EncodeToString(sum[:16]), root: root}
	if err := l.take(dataDir); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return l, nil
}

// lockName is the name of the lock file.
func (l *Lock) lockName() string { return l.base + ".lock" }

// Path is where the lock file is.
func (l *Lock) Path() string { return filepath.Join(string(l.dir), l.lockName()) }

// take opens and locks the file, and says in it who we are.
func (l *Lock) take(dataDir string) error {
	f, err := l.open()
	if err != nil {
		return err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return fmt.Errorf("host lock %s: %w", l.Path(), err)
		}
		return &HeldError{Holder: readHolder(f), Path: l.Path()}
	}
	l.file = f
	if err := l.Check(); err != nil {
		return errors.Join(err, l.letGo())
	}
	l.sayWho(Holder{PID: os.Getpid(), DataDir: dataDir, Since: time.Now().UTC().Truncate(time.Second)})
	l.sweep()
	return nil
}

// open opens the lock file, and makes it if it is missing. An existing file is opened without
// O_CREAT: with fs.protected_regular the kernel refuses to "create" another user's file in a
// directory like this one, even for root.
func (l *Lock) open() (*os.File, error) {
	const flags = os.O_RDWR | syscall.O_NOFOLLOW | syscall.O_NONBLOCK
	for range 10 {
		f, err := l.root.OpenFile(l.lockName(), flags, 0)
		if errors.Is(err, fs.ErrNotExist) {
			f, err = l.root.OpenFile(l.lockName(), flags|os.O_CREATE|os.O_EXCL, 0o666)
			if errors.Is(err, fs.ErrExist) {
				continue // somebody else made it just now
			}
			if err == nil {
				err = f.Chmod(0o666) // whatever the umask: others must be able to open it
			}
		}
		if err != nil {
			return nil, fmt.Errorf("host lock %s: %w: it must be readable and writable for this user: remove it as its owner while no engramd runs", l.Path(), err)
		}
		if err := plain(f); err != nil {
			return nil, errors.Join(fmt.Errorf("host lock %s: %w: remove it", l.Path(), err), f.Close())
		}
		return f, nil
	}
	return nil, fmt.Errorf("host lock %s: it comes and goes: is something cleaning %s?", l.Path(), l.dir)
}

// plain makes sure that f is a file of its own: not a pipe, and no second name of somebody's file,
// which we would write to.
func plain(f *os.File) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !st.Mode().IsRegular() || !ok || sys.Nlink != 1 {
		return errors.New("it is not a plain file with one name")
	}
	return nil
}

// Check reports whether the lock is still held: it wraps ErrLost if somebody removed or replaced the
// file, so that a second agent could lock the new one.
func (l *Lock) Check() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.check()
}

func (l *Lock) check() error {
	if l.file == nil {
		return fmt.Errorf("%w: %s: it was given back", ErrLost, l.Path())
	}
	ours, err := l.file.Stat()
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrLost, l.Path(), err)
	}
	there, err := os.Lstat(l.Path())
	if err != nil || !os.SameFile(ours, there) {
		return fmt.Errorf("%w: %s was removed or replaced", ErrLost, l.Path())
	}
	return nil
}

// Close gives the lock back. The record of an open action stays for the next holder. Close may be
// called more than once.
func (l *Lock) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.letGo()
}

func (l *Lock) letGo() error {
	if l.file == nil {
		return nil
	}
	err := errors.Join(l.file.Close(), l.root.Close())
	l.file = nil
	return err
}

// sayWho writes h into the lock file, for people. A full disk must not keep the lock from being held.
func (l *Lock) sayWho(h Holder) {
	text, err := json.Marshal(h)
	if err == nil && l.file.Truncate(0) == nil {
		_, _ = l.file.WriteAt(append(text, '\n'), 0)
	}
}

// readHolder reads who holds the lock, as far as it says so.
func readHolder(f *os.File) Holder {
	var h Holder
	text, err := io.ReadAll(io.NewSectionReader(f, 0, 4096))
	if err != nil || json.Unmarshal(text, &h) != nil {
		return Holder{}
	}
	return h
}
