package powerfail_test

import (
	"context"
	"errors"
	"io"
	iofs "io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/engramd/engramd/node/disk"
	"github.com/engramd/engramd/node/disk/powercut"
	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// A volume is a powercut.Disk that is mounted.
type volume struct {
	disk   *powercut.Disk
	server *fuse.Server

	mu   sync.Mutex
	dirs map[string]bool
}

// mount serves d at dir until unmount is called or the test ends.
func mount(t *testing.T, d *powercut.Disk, dirs []string, at string) (v *volume, unmount func()) {
	t.Helper()
	v = &volume{disk: d, dirs: map[string]bool{"": true}}
	for _, dir := range dirs {
		v.dirs[dir] = true
	}
	for name := range d.Names() {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			v.dirs[dir] = true
		}
	}
	var err error
	v.server, err = fs.Mount(at, &node{volume: v}, &fs.Options{MountOptions: fuse.MountOptions{
		FsName: "powerfail", Name: "powerfail", DirectMount: true, MaxWrite: 1 << 20,
	}})
	if err != nil {
		t.Fatalf("mount FUSE (needs root and /dev/fuse): %v", err)
	}
	var once sync.Once
	unmount = func() {
		once.Do(func() {
			if err := v.server.Unmount(); err != nil {
				t.Errorf("unmount: %v", err)
				_ = syscall.Unmount(at, syscall.MNT_DETACH)
			}
		})
	}
	t.Cleanup(unmount)
	return v, unmount
}

// directories returns those that there are.
func (v *volume) directories() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var all []string
	for dir := range v.dirs {
		all = append(all, dir)
	}
	return all
}

// A node is a directory, or a file if it has one.
type node struct {
	fs.Inode
	volume *volume
	file   disk.File
}

var (
	_ fs.NodeLookuper  = (*node)(nil)
	_ fs.NodeCreater   = (*node)(nil)
	_ fs.NodeMkdirer   = (*node)(nil)
	_ fs.NodeUnlinker  = (*node)(nil)
	_ fs.NodeRmdirer   = (*node)(nil)
	_ fs.NodeRenamer   = (*node)(nil)
	_ fs.NodeReaddirer = (*node)(nil)
	_ fs.NodeGetattrer = (*node)(nil)
	_ fs.NodeSetattrer = (*node)(nil)
	_ fs.NodeOpener    = (*node)(nil)
	_ fs.NodeReader    = (*node)(nil)
	_ fs.NodeWriter    = (*node)(nil)
	_ fs.NodeFsyncer   = (*node)(nil)
	_ fs.NodeStatfser  = (*node)(nil)
)

func errno(err error) syscall.Errno {
	var no syscall.Errno
	switch {
	case err == nil:
		return 0
	case errors.As(err, &no):
		return no
	case errors.Is(err, iofs.ErrNotExist):
		return syscall.ENOENT
	case errors.Is(err, iofs.ErrExist):
		return syscall.EEXIST
	}
	return syscall.EIO
}

func (n *node) path(name string) string { return path.Join(n.Path(nil), name) }

func (n *node) attr(out *fuse.Attr) syscall.Errno {
	out.Mode = syscall.S_IFDIR | 0o755
	if n.file == nil {
		return 0
	}
	size, err := n.file.Size()
	out.Mode, out.Size, out.Blocks = syscall.S_IFREG|0o644, uint64(size), uint64(size+511)/512
	return errno(err)
}

// child makes the inode of a name.
func (n *node) child(ctx context.Context, file disk.File, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	c := &node{volume: n.volume, file: file}
	mode := uint32(syscall.S_IFDIR)
	if file != nil {
		mode = syscall.S_IFREG
	}
	return n.NewInode(ctx, c, fs.StableAttr{Mode: mode}), c.attr(&out.Attr)
}

func (n *node) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if c := n.GetChild(name); c != nil {
		return c, c.Operations().(*node).attr(&out.Attr)
	}
	p := n.path(name)
	n.volume.mu.Lock()
	dir := n.volume.dirs[p]
	n.volume.mu.Unlock()
	if dir {
		return n.child(ctx, nil, out)
	}
	f, err := n.volume.disk.Open(p)
	if err != nil {
		return nil, errno(err)
	}
	return n.child(ctx, f, out)
}

func (n *node) Create(ctx context.Context, name string, _, _ uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	f, err := n.volume.disk.Create(n.path(name))
	if err != nil {
		return nil, nil, 0, errno(err)
	}
	c, no := n.child(ctx, f, out)
	return c, nil, 0, no
}

func (n *node) Mkdir(ctx context.Context, name string, _ uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	n.volume.mu.Lock()
	n.volume.dirs[n.path(name)] = true
	n.volume.mu.Unlock()
	return n.child(ctx, nil, out)
}

func (n *node) Unlink(_ context.Context, name string) syscall.Errno {
	return errno(n.volume.disk.Remove(n.path(name)))
}

func (n *node) Rmdir(_ context.Context, name string) syscall.Errno {
	n.volume.mu.Lock()
	defer n.volume.mu.Unlock()
	delete(n.volume.dirs, n.path(name))
	return 0
}

func (n *node) Rename(_ context.Context, name string, to fs.InodeEmbedder, toName string, flags uint32) syscall.Errno {
	if flags != 0 {
		return syscall.EINVAL
	}
	return errno(n.volume.disk.Rename(n.path(name), to.EmbeddedInode().Operations().(*node).path(toName)))
}

func (n *node) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	dir := n.path("")
	var list []fuse.DirEntry
	for name := range n.volume.disk.Names() {
		if parent(name) == dir {
			list = append(list, fuse.DirEntry{Name: path.Base(name), Mode: syscall.S_IFREG})
		}
	}
	for _, d := range n.volume.directories() {
		if d != "" && parent(d) == dir {
			list = append(list, fuse.DirEntry{Name: path.Base(d), Mode: syscall.S_IFDIR})
		}
	}
	slices.SortFunc(list, func(a, b fuse.DirEntry) int { return strings.Compare(a.Name, b.Name) })
	return fs.NewListDirStream(list), 0
}

func parent(name string) string {
	if dir := path.Dir(name); dir != "." {
		return dir
	}
	return ""
}

func (n *node) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	return n.attr(&out.Attr)
}

func (n *node) Setattr(_ context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if size, ok := in.GetSize(); ok && n.file != nil {
		if err := n.file.(interface{ Truncate(int64) error }).Truncate(int64(size)); err != nil {
			return errno(err)
		}
	}
	return n.attr(&out.Attr)
}

func (n *node) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_KEEP_CACHE, 0
}

func (n *node) Read(_ context.Context, _ fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	got, err := n.file.ReadAt(dest, off)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, errno(err)
	}
	return fuse.ReadResultData(dest[:got]), 0
}

func (n *node) Write(_ context.Context, _ fs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	written, err := n.file.WriteAt(data, off)
	return uint32(written), errno(err)
}

func (n *node) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	if n.file != nil {
		return errno(n.file.Sync())
	}
	dir := n.path("")
	if dir == "" {
		dir = "."
	}
	return errno(n.volume.disk.SyncDir(dir))
}

func (n *node) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	out.Bsize, out.Blocks, out.Bfree, out.Bavail = 4096, 1<<20, 1<<19, 1<<19
	return 0
}
