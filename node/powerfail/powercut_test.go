package powerfail_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/engramd/engramd/node/disk/powercut"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv(childMode); mode != "" {
		if err := child(mode, os.Getenv(childDir)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestE2EPowerCut cuts the power under a node that writes, compacts and makes spaces, again and again on the same disk. Before that the node may be killed, and
// started again on what the kernel has of the disk. After each cut several disks that it may have left are looked at: everything answered is there, nothing is
// torn, and the node writes on. The next round begins with one of them.
func TestE2EPowerCut(t *testing.T) {
	need(t)
	seconds := 70
	if s := os.Getenv("ENGRAMD_POWERCUT_SECONDS"); s != "" {
		var err error
		if seconds, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	end := time.Now().Add(time.Duration(seconds) * time.Second)
	rounds, answered := 0, 0
	for time.Now().Before(end) && !t.Failed() {
		seed := rand.Uint64()
		t.Run(fmt.Sprintf("%x", seed), func(t *testing.T) {
			h := newHistory(t, seed)
			for range 6 {
				if h.round(); t.Failed() || time.Now().After(end) {
					break
				}
			}
			rounds += h.rounds
			answered += len(h.account.Answered)
		})
	}
	t.Logf("%d cuts, %d memories answered", rounds, answered)
	if answered < 10*rounds {
		t.Errorf("only %d memories were answered in %d rounds: this tested nothing", answered, rounds)
	}
}

// TestE2EKilledBeforeANameIsDurable: a file was replaced, and the node killed before it had synced the new name, which the next one sees all the same.
// What that builds upon it must be there after a cut.
func TestE2EKilledBeforeANameIsDurable(t *testing.T) {
	need(t)
	for what, names := range map[string]struct {
		name  string
		times int // until it is the one
	}{
		"a compacted base":               {"data/spaces/1/base.db", 9}, // not one of the first: the vectors have their file by then
		"a catalog that has a new space": {"data/catalog.json", 4},     // each space gets an id before
	} {
		t.Run(what, func(t *testing.T) {
			for seed := range uint64(4) {
				h := newHistory(t, seed)
				kill := make(chan struct{}, 1)
				var dying atomic.Bool
				left := names.times
				h.disk.Fault = func(op powercut.Op) error {
					if dying.Load() {
						return powercut.ErrGone
					}
					if op.Kind == "syncdir" && left == 0 {
						dying.Store(true)
						kill <- struct{}{}
						return powercut.ErrGone
					}
					if op.Kind == "rename" && op.To == names.name {
						left--
					}
					return nil
				}
				at := t.TempDir()
				v, unmount := mount(t, h.disk, nil, at)
				if !h.live("write", at, nil, kill, false) {
					t.Fatal("it was not killed")
				}
				h.disk.Fault = nil
				h.live("fill", at, nil, nil, true)
				h.dirs = v.directories()
				unmount()
				if h.account.Answered["f299"] != 1 {
					t.Fatal("nothing was built upon it")
				}
				if h.cut(at, "cut after a kill"); t.Failed() {
					return
				}
			}
		})
	}
}

// TestE2ERestartAfterAFailedSync: the kernel shows the next node what a failed sync of a base has lost, as written. Nothing may be built upon that.
func TestE2ERestartAfterAFailedSync(t *testing.T) {
	need(t)
	struck := 0
	for which := 1; which <= 8; which++ { // of the syncs of the last checkpoint
		h := newHistory(t, uint64(which))
		h.disk.Forgets = true
		last, n := false, 0
		h.disk.Fault = func(op powercut.Op) error {
			last = last || op.Kind == "create" && op.Name == "data/"+filled
			if last && op.Kind == "sync" && strings.Contains(op.Name, "/base.db") {
				if n++; n == which {
					struck++
					return syscall.EIO
				}
			}
			return nil
		}
		at := t.TempDir()
		v, unmount := mount(t, h.disk, nil, at)
		h.live("fill", at, nil, nil, true)
		h.disk.Fault = nil
		h.live("rest", at, nil, nil, true)
		h.dirs = v.directories()
		unmount()
		if h.account.Answered["f299"] != 1 {
			t.Fatal("nothing was built upon it")
		}
		if h.cut(at, fmt.Sprintf("sync %d failed", which)); t.Failed() {
			return
		}
	}
	if struck < 4 {
		t.Errorf("only %d syncs failed", struck)
	}
}

func need(t *testing.T) {
	t.Helper()
	if os.Getenv("ENGRAMD_E2E") == "" {
		t.Skip("needs root and FUSE: set ENGRAMD_E2E to run it (make e2e)")
	}
	if os.Geteuid() != 0 {
		t.Fatal("needs root to mount FUSE: run it with sudo, or unset ENGRAMD_E2E")
	}
}

// A history is one disk through several cuts.
type history struct {
	t       *testing.T
	rng     *rand.Rand
	disk    *powercut.Disk
	dirs    []string
	account account
	rounds  int
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func newHistory(t *testing.T, seed uint64) *history {
	return &history{t: t, rng: rand.New(rand.NewPCG(seed, 1)), disk: powercut.New(), account: account{
		Tried: map[string]int{}, Answered: map[string]int{}, Links: map[string]string{}, Spaces: map[string]string{},
	}}
}

// round writes until the power is cut, and looks at what that may leave.
func (h *history) round() {
	t := h.t
	t.Helper()
	h.rounds++
	after := 1 + h.rng.IntN(1500) // operations
	ill := h.illness(after)
	cut := make(chan struct{})
	kill := make(chan struct{}, 1)
	kills := h.rng.IntN(3)
	h.disk.Forgets = h.rng.IntN(2) == 0
	if ill.fatal && !h.disk.Forgets {
		kills = 0 // what a failed sync lost would be read again for ever
	}
	every := 1 + after/(kills+1)
	var dying atomic.Bool
	var once sync.Once
	n := 0
	h.disk.Fault = func(op powercut.Op) error { // one at a time
		if dying.Load() {
			return powercut.ErrGone
		}
		if n++; n > after {
			once.Do(func() { close(cut) })
			return syscall.EIO
		}
		if n%every == 0 { // killed before this operation
			dying.Store(true)
			kill <- struct{}{}
			return powercut.ErrGone
		}
		return ill.of(n, op)
	}
	at := t.TempDir()
	v, unmount := mount(t, h.disk, h.dirs, at)
	for range 6 {
		again := h.live("write", at, cut, kill, ill.fatal) || h.disk.Forgets && ill.fatal && !isClosed(cut)
		if !again || t.Failed() {
			break
		}
		dying.Store(false)
	}
	h.dirs = v.directories()
	unmount()
	if t.Failed() {
		return
	}
	h.cut(at, fmt.Sprintf("round %d, cut after %d operations, killed %d times before, %s", h.rounds, after, kills, ill.name))
}

// cut cuts the power, and looks at what that may leave; the disk is one of those then.
func (h *history) cut(at, when string) {
	h.t.Helper()
	var left *powercut.Disk
	for range 3 {
		left = h.disk.Cut(h.disk.Ops(), h.rng)
		_, unmount := mount(h.t, left, h.dirs, at)
		out, err := h.command("check", at).CombinedOutput()
		unmount()
		if err != nil {
			h.t.Errorf("%s: %v\n%.6000s", when, err, out)
			h.keep(left)
			return
		}
	}
	h.disk = left.Copy()
}

func (h *history) command(mode, at string) *exec.Cmd {
	h.t.Helper()
	news := filepath.Join(h.t.TempDir(), "account.json")
	b, err := json.Marshal(h.account)
	if err == nil {
		err = os.WriteFile(news, b, 0o600)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childMode+"="+mode, childDir+"="+filepath.Join(at, "data"), childNews+"="+news)
	return cmd
}

// An illness is what a disk has before it dies.
type illness struct {
	name        string
	first, last int // operations
	fatal       bool
	errno       syscall.Errno
	hits        func(powercut.Op) bool
}

func (i *illness) of(n int, op powercut.Op) error {
	if i.hits == nil || n < i.first || n > i.last || !i.hits(op) {
		return nil
	}
	if i.fatal {
		i.last = n // once: the next sync would succeed
	}
	return i.errno
}

// illness gives the disk one in two of three rounds: full for a while, or a sync or write that fails once.
func (h *history) illness(after int) *illness {
	i := &illness{name: "a healthy disk", first: h.rng.IntN(after)}
	i.last = after
	sync := func(op powercut.Op) bool { return op.Kind == "sync" || op.Kind == "syncdir" }
	log := func(op powercut.Op) bool { return strings.Contains(op.Name, "/wal") }
	// Their blocks are there since the file was made: disks that fill up do not refuse them, but file systems that copy on write may.
	meta := func(op powercut.Op) bool {
		return op.Kind == "write" && op.Off < 2*16<<10 && strings.Contains(op.Name, "/base.db") // whatever it was called first
	}
	switch h.rng.IntN(8) {
	case 0, 1:
		i.name, i.errno, i.last = "a full disk", syscall.ENOSPC, i.first+h.rng.IntN(100)
		i.hits = func(op powercut.Op) bool {
			return !meta(op) && (op.Kind == "write" || op.Kind == "truncate" || op.Kind == "create")
		}
	case 2:
		i.name, i.errno, i.fatal = "a failed sync of the log", syscall.EIO, true
		i.hits = func(op powercut.Op) bool { return sync(op) && log(op) }
	case 3:
		i.name, i.errno, i.fatal = "a failed sync", syscall.EIO, true
		i.hits = func(op powercut.Op) bool { return sync(op) && !log(op) }
	case 4:
		i.name, i.errno, i.fatal = "a meta page that finds no room", syscall.ENOSPC, true
		i.hits = meta
	case 5:
		i.name, i.errno, i.fatal = "a failed sync of the catalog's name", syscall.EIO, true
		i.hits = func(op powercut.Op) bool { return op.Kind == "syncdir" && op.Name == "data" }
	}
	return i
}

// live runs a child until it is cut or killed, and notes what it says; killed tells which. It may end before if mortal, or if it never had room to begin.
func (h *history) live(mode, at string, cut, kill <-chan struct{}, mortal bool) (killed bool) {
	t := h.t
	t.Helper()
	cmd := h.command(mode, at)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	over := make(chan struct{})
	go func() {
		defer close(over)
		select {
		case <-cut:
		case <-kill:
			killed = true
		case <-ended:
			select {
			case <-kill: // it learnt of it before the signal came
				killed = true
			default:
			}
		case <-time.After(60 * time.Second):
			complaint.WriteString("no cut within a minute")
		}
		_ = cmd.Process.Kill()
	}()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		h.note(strings.Fields(lines.Text()))
	}
	close(ended)
	<-over
	err = cmd.Wait()
	switch {
	case isClosed(cut):
		killed = false
	case killed:
	default:
		unborn := len(h.account.Tried) == 0 && strings.Contains(complaint.String(), syscall.ENOSPC.Error()) // without room for its first files a node does not start
		if !mortal && !unborn {
			t.Errorf("round %d: the child ended before the cut: %v\n%.4000s", h.rounds, err, complaint.String())
		}
	}
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Error(err)
	}
	if s := complaint.String(); strings.Contains(s, "panic:") || strings.Contains(s, "fatal error:") || strings.Contains(s, "DATA RACE") {
		t.Errorf("round %d: the child died:\n%.6000s", h.rounds, s)
	}
	return killed && !t.Failed()
}

// note takes a line of the child, which writes each with one call: none is cut.
func (h *history) note(f []string) {
	switch {
	case len(f) == 2:
		h.account.Spaces[f[1]] = f[0]
	case len(f) == 3 && f[0] == "link":
		h.account.Links[f[1]] = f[2]
	case len(f) == 3:
		step, err := strconv.Atoi(f[2])
		if err != nil {
			return
		}
		if f[0] == "try" {
			h.account.Tried[f[1]] = step
		} else if f[0] == "ok" {
			h.account.Answered[f[1]] = step
		}
	}
}

// keep writes a disk on which something was wrong where ENGRAMD_ARTIFACTS says.
func (h *history) keep(d *powercut.Disk) {
	dir := os.Getenv("ENGRAMD_ARTIFACTS")
	if dir == "" {
		return
	}
	for name, size := range d.Names() {
		b := make([]byte, size)
		f, err := d.Open(name)
		if err == nil {
			_, err = f.ReadAt(b, 0)
		}
		to := filepath.Join(dir, "powercut", name)
		err = errors.Join(err, os.MkdirAll(filepath.Dir(to), 0o750), os.WriteFile(to, b, 0o600))
		if err != nil {
			h.t.Log(err)
		}
	}
}
