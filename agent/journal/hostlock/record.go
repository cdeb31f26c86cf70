package hostlock

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/engramd/engramd/actuators"
)

// maxRecord bounds what is read of a record.
const maxRecord = 8 << 20

const (
	recordEnd  = ".action"
	unfinished = ".new" // a record that is being written
)

// recordName is the file of a user's record of an action. Each user has files of his own: in a sticky
// directory nobody can replace another's, and a file's owner is who vouches for it.
func (l *Lock) recordName(uid int, id string) string {
	return l.base + "." + strconv.Itoa(uid) + "." + id + recordEnd
}

// Record writes an open action of the target, in place of what was recorded of it before, and
// returns once it is on disk. It checks that the lock is still held first, and wraps ErrLost if not.
// On a full disk the record before stays as it was.
func (l *Lock) Record(a actuators.Action) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.check(); err != nil {
		return err
	}
	if err := checkID(a.ID); err != nil {
		return err
	}
	text, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("host lock: encode action %s: %w", a.ID, err)
	}
	if err := l.replace(l.recordName(os.Geteuid(), a.ID), text); err != nil {
		return fmt.Errorf("host lock: record action %s beside %s: %w", a.ID, l.Path(), err)
	}
	return nil
}

// checkID makes sure that an id can be part of a file's name.
func checkID(id string) error {
	strange := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	}
	if id == "" || len(id) > 100 || strings.ContainsFunc(id, strange) {
		return fmt.Errorf("host lock: action id %.100q: want letters, digits, - and _", id)
	}
	return nil
}

// replace writes the record whole or not at all.
func (l *Lock) replace(name string, text []byte) (err error) {
	temp := name + unfinished
	if err := l.root.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := l.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.root.Remove(temp))
		}
	}()
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := l.root.Rename(temp, name); err != nil {
		return err
	}
	return l.syncDir()
}

func (l *Lock) syncDir() error {
	d, err := l.root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Read returns the open actions that the holder before left: none, mostly. Actions that the reader's own journal knows to have ended
// are its to skip: a user cannot remove what root wrote.
//
// It wraps ErrUntrusted, beside what it could read, if there is a record by a user who is neither
// root nor this one, or one that this user may not read. The target may then be half-way through a
// change, and only its owner's agent can end that.
func (l *Lock) Read() ([]actuators.Action, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil, fmt.Errorf("%w: %s: it was given back", ErrLost, l.Path())
	}
	names, err := l.files(recordEnd)
	if err != nil {
		return nil, err
	}
	var found []actuators.Action
	var errs []error
	for _, name := range names {
		a, err := l.readRecord(name)
		if err != nil {
			errs = append(errs, fmt.Errorf("host lock: record %s/%s: %w", l.dir, name, err))
			continue
		}
		found = append(found, a)
	}
	return found, errors.Join(errs...)
}

func (l *Lock) readRecord(name string) (a actuators.Action, err error) {
	f, err := l.root.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrPermission) {
		return a, fmt.Errorf("%w: it belongs to another user: start that user's engramd once, or look at the target and remove the file", ErrUntrusted)
	}
	if err != nil {
		return a, err
	}
	defer f.Close()
	if err := plain(f); err != nil {
		return a, fmt.Errorf("%w: %w: remove it", ErrUntrusted, err)
	}
	uid, err := owner(f)
	if err != nil {
		return a, err
	}
	if uid != 0 && uid != os.Geteuid() {
		return a, fmt.Errorf("%w: it belongs to user %d: start that user's engramd once, or look at the target and remove the file", ErrUntrusted, uid)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxRecord+1))
	if err != nil {
		return a, err
	}
	return parse(text)
}

// parse decodes a record.
func parse(text []byte) (a actuators.Action, err error) {
	if len(text) > maxRecord {
		return a, fmt.Errorf("it is larger than %d bytes: look at the target and remove the file", maxRecord)
	}
	if err := json.Unmarshal(text, &a); err != nil {
		return a, fmt.Errorf("it cannot be read: %w: look at the target and remove the file", err)
	}
	if a.ID == "" || a.TargetName == "" {
		return a, errors.New("it names no action: look at the target and remove the file")
	}
	return a, nil
}

func owner(f *os.File) (int, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, errors.New("its owner cannot be known here")
	}
	return int(sys.Uid), nil
}

// Clear removes the record of an action that has ended, this user's and, where it may, root's.
// Clearing what is not there is fine.
func (l *Lock) Clear(id string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := errors.Join(l.check(), checkID(id)); err != nil {
		return err
	}
	for _, uid := range []int{os.Geteuid(), 0} {
		err := l.root.Remove(l.recordName(uid, id))
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("host lock: clear action %s beside %s: %w", id, l.Path(), err)
		}
	}
	return l.syncDir()
}

// sweep removes what a holder of this user that was killed while it wrote a record left.
func (l *Lock) sweep() {
	left, _ := l.files(recordEnd + unfinished) // it is only litter
	for _, name := range left {
		_ = l.root.Remove(name) // another user's stays
	}
}

// files lists the names of this lock's files with that end.
func (l *Lock) files(end string) ([]string, error) {
	entries, err := os.ReadDir(string(l.dir))
	if err != nil {
		return nil, fmt.Errorf("host lock: %w", err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), l.base+".") && strings.HasSuffix(e.Name(), end) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}
