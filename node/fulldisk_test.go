package node_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/engramd/engramd/node"
	"golang.org/x/sys/unix"
)

// TestE2EFullDisk runs a node on a small file system of its own and fills that: by writing, and from outside. Writes answer ErrFull, reads go on, so
// does a node that is started on the full disk, writes work when there is room, and nothing that was answered is lost.
func TestE2EFullDisk(t *testing.T) {
	if os.Getenv("ENGRAMD_E2E") == "" {
		t.Skip("needs root to mount a file system: set ENGRAMD_E2E to run it (make e2e)")
	}
	at := t.TempDir()
	if err := unix.Mount("engramd-test", at, "tmpfs", 0, "size=24m,mode=0700"); err != nil {
		t.Fatalf("mount a tmpfs (needs root): %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(at, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	ballast := filepath.Join(at, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 6<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	f := &filled{t: t, opts: small(filepath.Join(at, "data")), model: map[string]string{}}
	f.opts.Store.MemtableBytes = 1 << 20
	n, stop := f.running()
	f.fill(n, "by-writing-")
	f.check(n)
	f.refused(n)
	stop()
	n, stop = f.running()
	f.check(n) // on the full disk
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	f.written(n, "with-room-again")
	fillUp(t, ballast) // from outside
	f.fill(n, "from-outside-")
	f.check(n)
	f.refused(n)
	stop()
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	n, stop = f.running()
	f.check(n)
	f.written(n, "at-the-end")
	if _, err := n.Compact(t.Context(), ""); err != nil && !errors.Is(err, node.ErrFull) {
		t.Errorf("compact: %v", err)
	}
	f.check(n)
	stop()
}

// A filled is what a node on a full disk must have.
type filled struct {
	t     *testing.T
	opts  node.Options
	model map[string]string
}

// running opens and runs a node until the returned func is called. That its last checkpoint may find no room is no fault: the log has it all.
func (f *filled) running() (*node.Node, func()) {
	f.t.Helper()
	n, err := node.Open(f.opts)
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	var once sync.Once
	stop := func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil && !errors.Is(err, node.ErrFull) {
				f.t.Errorf("run: %v", err)
			}
			if err := n.Close(); err != nil {
				f.t.Errorf("close: %v", err)
			}
		})
	}
	f.t.Cleanup(stop)
	return n, stop
}

// fill remembers until there is no room, in 16 goroutines.
func (f *filled) fill(n *node.Node, prefix string) {
	f.t.Helper()
	text := strings.Repeat("a full disk ", 300)
	type answer struct {
		id  string
		err error
	}
	answers := make(chan answer)
	ctx, cancel := context.WithTimeout(f.t.Context(), time.Minute)
	defer cancel()
	for w := range 16 {
		go func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("%s%d-%d", prefix, w, i)
				_, err := n.Remember(ctx, "default", node.Memory{ID: id, Content: id + text, Vector: []float32{1, 2, 3}})
				answers <- answer{id, err}
				if err != nil {
					return
				}
			}
		}()
	}
	for left := 16; left > 0; {
		a := <-answers
		switch {
		case a.err == nil:
			f.model[a.id] = a.id + text
		case errors.Is(a.err, node.ErrFull):
			left--
		default:
			f.t.Errorf("%s: %v; want ErrFull", a.id, a.err)
			left--
		}
	}
}

// check reads everything.
func (f *filled) check(n *node.Node) {
	f.t.Helper()
	if err := n.Store().Stats().ReadOnly; err != nil {
		f.t.Errorf("the node is read-only: %v", err)
	}
	for id, want := range f.model {
		m, err := n.Get(f.t.Context(), "default", id)
		if err != nil || m.Content != want || len(m.Vector) != 3 {
			f.t.Fatalf("%s: %.30q, %v, %v", id, m.Content, m.Vector, err)
		}
	}
}

// refused tries other things that write.
func (f *filled) refused(n *node.Node) {
	f.t.Helper()
	for name, write := range map[string]func() error{
		"create a space": func() error { _, err := n.Store().Create("another", 0); return err },
		"patch": func() error {
			for id := range f.model {
				text := f.model[id] + "!"
				_, err := n.Patch(f.t.Context(), "default", id, 0, node.Patch{Content: &text})
				if err == nil {
					f.model[id] = text
				}
				return err
			}
			return nil
		},
		"compact": func() error { _, err := n.Compact(f.t.Context(), ""); return err },
	} {
		// There may still be a little room for a small write.
		if err := write(); err != nil && !errors.Is(err, node.ErrFull) {
			f.t.Errorf("%s: %v; want ErrFull", name, err)
		}
	}
}

// written remembers one memory, as soon as there is room.
func (f *filled) written(n *node.Node, id string) {
	f.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; {
		_, err := n.Remember(f.t.Context(), "default", node.Memory{ID: id, Content: id, Vector: []float32{1, 2, 3}})
		if err == nil {
			break
		}
		if !errors.Is(err, node.ErrFull) || time.Now().After(end) {
			f.t.Fatalf("with room again: %v", err)
		}
	}
	f.model[id] = id
}

// fillUp makes a file of all the room that there is.
func fillUp(t *testing.T, name string) {
	t.Helper()
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for size := 1 << 20; size >= 4096; {
		if _, err := file.Write(make([]byte, size)); err != nil {
			if !errors.Is(err, unix.ENOSPC) {
				t.Fatal(err)
			}
			size /= 2
		}
	}
}
