// Package powercut is a disk of memory that can lose its power: it keeps every operation that was done
// to it, and makes from any prefix of them the disks that a cut at that moment may leave. Of bytes not
// synced, any subset of the 512-byte sectors may have arrived; of names not synced, any prefix of the changes
// in a directory. Errors and a full disk can be injected. What a failed sync was to make durable is forgotten, as
// kernels do: some of it has arrived, the rest never will, though it can still be read, and a later sync says that all is well. A Disk that Forgets
// shows what has arrived.
//
// A Disk may be used from several goroutines.
package powercut

import (
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/engramd/engramd/node/disk"
)

const sector = 512

// ErrGone is the error of an operation that was never asked for: a sync has not failed, there was none.
var ErrGone = errors.New("the process is gone")

// A Disk implements disk.FS.
type Disk struct {
	// Room is how many bytes files may take together; zero: any number.
	Room int64
	// Forgets: what a failed sync was to make durable has not arrived, none of it, and can only be read from a cache that stands before the disk.
	Forgets bool
	// Fault is asked before each operation, if set; its error is the operation's. One of ErrGone: who asks for it was killed before.
	Fault func(op Op) error

	mu    sync.Mutex
	names map[string]*inode
	ops   []Op
	past  []Op // how the disk that this one came from looked, durable
}

// An Op is one operation.
type Op struct {
	Kind     string // create, write, truncate, sync, failed sync, rename, remove, syncdir
	Name, To string
	Off      int64
	Data     []byte
	inode    int
}

type inode struct {
	id int
	blob
	undo []change // since the last sync, if the disk forgets
}

// A change is what a write or truncation found.
type change struct {
	off, size int64
	data      []byte // from off on
}

// changing notes what there is from off to end, before it changes.
func (i *inode) changing(off, end int64) {
	was := make([]byte, max(0, min(end, i.size)-off))
	if _, err := i.readAt(was, off); err != nil && len(was) > 0 {
		panic(err)
	}
	i.undo = append(i.undo, change{off, i.size, was})
}

// forget takes back all changes since the last sync.
func (i *inode) forget() {
	for _, c := range slices.Backward(i.undo) {
		i.write(c.data, c.off)
		i.resize(c.size)
	}
	i.undo = nil
}

// New returns an empty disk.
func New() *Disk { return &Disk{names: map[string]*inode{}} }

// Ops returns the number of operations so far.
func (d *Disk) Ops() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.ops)
}

func (d *Disk) do(op Op) error {
	if d.Fault != nil {
		if err := d.Fault(op); err != nil {
			if op.Kind == "sync" && !errors.Is(err, ErrGone) {
				op.Kind = "failed sync"
				d.ops = append(d.ops, op)
			}
			return err
		}
	}
	d.ops = append(d.ops, op)
	return nil
}

// Create implements disk.FS.
func (d *Disk) Create(name string) (disk.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.names[name] != nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	n := &inode{id: len(d.ops) + len(d.past)}
	if err := d.do(Op{Kind: "create", Name: name, inode: n.id}); err != nil {
		return nil, err
	}
	d.names[name] = n
	return &file{disk: d, inode: n, name: name}, nil
}

// Open implements disk.FS.
func (d *Disk) Open(name string) (disk.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.names[name]
	if n == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &file{disk: d, inode: n, name: name}, nil
}

// Rename implements disk.FS.
func (d *Disk) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.names[from]
	if n == nil {
		return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
	}
	if err := d.do(Op{Kind: "rename", Name: from, To: to, inode: n.id}); err != nil {
		return err
	}
	delete(d.names, from)
	d.names[to] = n
	return nil
}

// Remove implements disk.FS.
func (d *Disk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.names[name] == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	if err := d.do(Op{Kind: "remove", Name: name}); err != nil {
		return err
	}
	delete(d.names, name)
	return nil
}

// List implements disk.FS.
func (d *Disk) List(dir string) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var names []string
	for name := range d.names {
		if rest, ok := strings.CutPrefix(name, dir+"/"); ok && !strings.Contains(rest, "/") {
			names = append(names, rest)
		}
	}
	slices.Sort(names)
	return names, nil
}

// MakeDir implements disk.FS. Directories need no making here.
func (d *Disk) MakeDir(string) error { return nil }

// SyncDir implements disk.FS.
func (d *Disk) SyncDir(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.do(Op{Kind: "syncdir", Name: dir})
}

// Flip inverts one bit of a file, as a bad disk does.
func (d *Disk) Flip(name string, bit int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.names[name]
	one := make([]byte, 1)
	if _, err := n.readAt(one, bit/8); err != nil {
		panic(err)
	}
	one[0] ^= 1 << (bit % 8)
	n.blob.write(one, bit/8)
}

// Names returns all names and the sizes of their files.
func (d *Disk) Names() map[string]int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	sizes := map[string]int64{}
	for name, n := range d.names {
		sizes[name] = n.size
	}
	return sizes
}

// Copy returns an independent disk with the same files, all durable.
func (d *Disk) Copy() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := New()
	for _, name := range slices.Sorted(maps.Keys(d.names)) {
		n := &inode{id: len(c.past), blob: d.names[name].clone()}
		c.names[name] = n
		c.past = append(c.past,
			Op{Kind: "create", Name: name, inode: n.id},
			Op{Kind: "write", Name: name, Data: slices.Clone(n.data), inode: n.id},
			Op{Kind: "truncate", Name: name, Off: n.size, inode: n.id},
			Op{Kind: "sync", Name: name, inode: n.id},
			Op{Kind: "syncdir", Name: path.Dir(name)})
	}
	return c
}

func (d *Disk) used() int64 {
	var sum int64
	for _, n := range d.names {
		sum += n.size
	}
	return sum
}

type file struct {
	disk  *Disk
	inode *inode
	name  string
}

func (f *file) ReadAt(b []byte, off int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return f.inode.readAt(b, off)
}

func (f *file) WriteAt(b []byte, off int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	grows := off + int64(len(b)) - f.inode.size
	if f.disk.Room > 0 && grows > 0 && f.disk.used()+grows > f.disk.Room {
		return 0, &fs.PathError{Op: "write", Path: f.name, Err: syscall.ENOSPC}
	}
	if err := f.disk.do(Op{Kind: "write", Name: f.name, Off: off, Data: slices.Clone(b), inode: f.inode.id}); err != nil {
		return 0, err
	}
	if f.disk.Forgets {
		f.inode.changing(off, off+int64(len(b)))
	}
	f.inode.write(b, off)
	return len(b), nil
}

// Truncate sets the length of the file, as those who map files do. Package disk has no such call.
func (f *file) Truncate(size int64) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.do(Op{Kind: "truncate", Name: f.name, Off: size, inode: f.inode.id}); err != nil {
		return err
	}
	if f.disk.Forgets {
		f.inode.changing(size, f.inode.size)
	}
	f.inode.resize(size)
	return nil
}

func (f *file) Sync() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	err := f.disk.do(Op{Kind: "sync", Name: f.name, inode: f.inode.id})
	switch {
	case err == nil:
		f.inode.undo = nil
	case !errors.Is(err, ErrGone):
		f.inode.forget()
	}
	return err
}

func (f *file) Size() (int64, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return f.inode.size, nil
}

func (f *file) Close() error { return nil }
