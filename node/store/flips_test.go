package store_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/node/disk"
	"github.com/engramd/engramd/node/pages"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
	"github.com/engramd/engramd/node/wal"
)

// flipChild is set in the environment of the child of the tests here: first seed and number of rounds.
const flipChild = "ENGRAMD_STORE_FLIP_CHILD"

// TestStructuralFlipsKillNobody damages pages of a base in a child process, at run time and before open: bits, and what is worst for a reader
// that trusts them (cycles, page numbers, counts and lengths out of all bounds). The child lives, answers nothing wrong, ends, and serves its other space.
func TestStructuralFlipsKillNobody(t *testing.T) { flips(t, 1, 40) }

// TestE2EStructuralFlips is the same with many more seeds; ENGRAMD_FLIP_SEED is the first of them.
func TestE2EStructuralFlips(t *testing.T) {
	if os.Getenv("ENGRAMD_E2E") == "" {
		t.Skip("takes a minute: set ENGRAMD_E2E to run it")
	}
	first := 1000
	if s := os.Getenv("ENGRAMD_FLIP_SEED"); s != "" {
		var err error
		if first, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	flips(t, first, 400)
}

func flips(t *testing.T, first, rounds int) {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d", flipChild, first, rounds), "TMPDIR="+t.TempDir())
	out, err := cmd.CombinedOutput()
	tail := string(out[max(0, len(out)-6000):])
	if err != nil {
		t.Fatalf("the child with seeds from %d on: %v\n%s", first, err, tail)
	}
	t.Log(tail)
}

// flipping is the child.
func flipping(args string) int {
	var first, rounds int
	if _, err := fmt.Sscan(args, &first, &rounds); err != nil {
		fmt.Println(err)
		return 2
	}
	f, err := newFlipper()
	if err != nil {
		fmt.Println(err)
		return 2
	}
	refused := 0
	for seed := first; seed < first+rounds; seed++ {
		hang := time.AfterFunc(30*time.Second, func() { panic("seed " + strconv.Itoa(seed) + " hangs") })
		was, err := f.round(uint64(seed))
		hang.Stop()
		if err != nil {
			fmt.Printf("seed %d: %v\n", seed, err)
			return 1
		}
		if was {
			refused++
		}
	}
	fmt.Printf("%d of %d rounds refused the space\n", refused, rounds)
	if rounds >= 20 && refused < rounds/10 {
		fmt.Println("that is too few: this tests nothing")
		return 1
	}
	return 0
}

const flipRecords = 3000

// A flipper has a store that is whole, and makes damaged copies of it.
type flipper struct {
	dir  string
	file string // of the base, within a store's directory
}

func newFlipper() (*flipper, error) {
	dir, err := os.MkdirTemp("", "flips")
	if err != nil {
		return nil, err
	}
	f := &flipper{dir: dir}
	return f, f.with(f.dir, func(ctx context.Context, st *store.Store) error {
		s, err := st.Create("default", 0)
		if err != nil {
			return err
		}
		other, err := st.Create("other", 0)
		if err != nil {
			return err
		}
		f.file, _ = filepath.Rel(dir, filepath.Join(s.Dir(), "base.db"))
		if _, err := other.Apply(ctx, []store.Change{put("x", "1")}); err != nil {
			return err
		}
		for from := 0; from < flipRecords; from += 100 {
			var changes []store.Change
			for i := from; i < from+100; i++ {
				changes = append(changes, put(flipID(i), flipText(i)))
				if i > 0 {
					changes = append(changes, store.Change{Kind: record.Link, ID: flipID(i), ToID: flipID(0), Weight: 3})
				}
			}
			if _, err := s.Apply(ctx, changes); err != nil {
				return err
			}
		}
		if err := st.Checkpoint(ctx); err != nil {
			return err
		}
		for i := 7; i < flipRecords; i += 100 { // some free pages
			if _, err := s.Apply(ctx, []store.Change{put(flipID(i), flipText(i))}); err != nil {
				return err
			}
		}
		return st.Checkpoint(ctx)
	})
}

func flipID(i int) string   { return fmt.Sprint("m", i) }
func flipText(i int) string { return fmt.Sprint(i, strings.Repeat("x", i%400)) }

// with runs a store in dir and fn beside it.
func (f *flipper) with(dir string, fn func(context.Context, *store.Store) error) error {
	fsys, err := disk.NewOS(dir)
	if err != nil {
		return err
	}
	st, err := store.Open(store.Options{
		FS: fsys, WAL: wal.Options{SegmentBytes: 128 << 10}, MapBytes: 1 << 26, CheckpointEvery: time.Hour,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- st.Run(ctx) }()
	err = fn(ctx, st)
	cancel()
	if e := <-done; e != nil && !errors.Is(e, store.ErrDamaged) {
		err = errors.Join(err, e)
	}
	_ = st.Close() // a damaged base may say what it wants, if it ends
	return errors.Join(err, fsys.Close())
}

// round damages one copy, and tells whether the space was refused.
func (f *flipper) round(seed uint64) (refused bool, err error) {
	rng := rand.New(rand.NewPCG(seed, 1))
	dir, err := os.MkdirTemp("", "round")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	if err := os.CopyFS(dir, os.DirFS(f.dir)); err != nil {
		return false, err
	}
	atOpen := rng.IntN(2) == 0
	if atOpen {
		what, err := f.damage(dir, rng)
		if err != nil {
			return false, fmt.Errorf("%s: %w", what, err)
		}
	}
	err = f.with(dir, func(ctx context.Context, st *store.Store) error {
		s, err := st.Space("default")
		if err != nil {
			return err
		}
		what := "at open"
		if !atOpen {
			if what, err = f.damage(dir, rng); err != nil {
				return err
			}
		}
		for range 6 {
			if err := f.act(ctx, st, s, rng); err != nil && !excused(err) {
				return fmt.Errorf("%s: %w", what, err)
			}
		}
		refused = s.Err() != nil
		return f.serves(ctx, st)
	})
	return refused, err
}

// excused tells whether err is what damage may be answered with.
func excused(err error) bool {
	return errors.Is(err, store.ErrDamaged) || errors.Is(err, record.ErrCorrupt)
}

// serves tells whether the other space does.
func (f *flipper) serves(ctx context.Context, st *store.Store) error {
	other, err := st.Space("other")
	if err != nil {
		return err
	}
	if _, err := other.Apply(ctx, []store.Change{put("y", "2")}); err != nil {
		return fmt.Errorf("the other space: %w", err)
	}
	if _, err := other.Checkpoint(ctx); err != nil {
		return fmt.Errorf("the other space: %w", err)
	}
	ord, _, _ := other.Lookup("x")
	return other.Read(ord, func(record.Value) error { return nil })
}

// act does one thing that touches the base.
func (f *flipper) act(ctx context.Context, st *store.Store, s *store.Space, rng *rand.Rand) error {
	switch rng.IntN(7) {
	case 0:
		return f.readAll(s)
	case 1:
		var changes []store.Change
		for range 20 {
			i := rng.IntN(flipRecords)
			changes = append(changes, put(flipID(i), flipText(i)))
		}
		_, err := s.Apply(ctx, changes)
		return errors.Join(err, st.Checkpoint(ctx))
	case 2:
		var changes []store.Change
		for i := range 300 { // pages that get small are joined
			changes = append(changes, store.Change{Kind: record.Delete, ID: flipID(i + 700)})
		}
		for i := range 300 {
			changes = append(changes, put(flipID(i+700), flipText(i+700)))
		}
		if _, err := s.Apply(ctx, changes[:300]); err != nil {
			return err
		}
		if err := st.Checkpoint(ctx); err != nil {
			return err
		}
		_, err := s.Apply(ctx, changes[300:])
		return err
	case 3:
		_, err := s.Scrub(ctx, 0)
		return err
	case 4:
		_, _, err := s.Compact(ctx)
		return err
	case 5:
		_, err := s.CopyBase(io.Discard, nil)
		return err
	default:
		return s.SetMeta("x", []byte("y"))
	}
}

// readAll reads every memory: its content, or that it is damaged.
func (f *flipper) readAll(s *store.Space) error {
	if s.Err() != nil {
		return s.Err()
	}
	if n := s.Count(); n != flipRecords && len(s.Faults()) == 0 {
		return fmt.Errorf("%d of %d memories, and no fault", n, flipRecords)
	}
	for i := range flipRecords {
		ord, _, ok := s.Lookup(flipID(i))
		if !ok {
			if len(s.Faults()) == 0 {
				return fmt.Errorf("%s is gone, and no fault", flipID(i))
			}
			continue
		}
		err := s.Read(ord, func(v record.Value) error {
			var m record.Memory
			if err := v.Decode(&m, v.Payload()); err != nil {
				return err
			}
			if m.Content != flipText(i) {
				return fmt.Errorf("%s has the content %.20q", flipID(i), m.Content)
			}
			return nil
		})
		if err != nil && !excused(err) {
			return err
		}
	}
	return nil
}

// damage does something to a page of the base in dir, and says what.
func (f *flipper) damage(dir string, rng *rand.Rand) (string, error) {
	file, err := os.OpenFile(filepath.Join(dir, f.file), os.O_RDWR, 0)
	if err != nil {
		return "", err
	}
	defer file.Close()
	b, err := os.ReadFile(file.Name())
	if err != nil {
		return "", err
	}
	info, err := pages.Walk(bytes.NewReader(b), int64(len(b)), func(_, _, _ []byte) error { return nil })
	if err != nil {
		return "", err
	}
	kinds := map[uint16][]uint64{}
	for id := range info.Pages {
		flags := binary.LittleEndian.Uint16(b[id*uint64(info.PageSize)+8:])
		kinds[flags] = append(kinds[flags], id)
	}
	order := []uint16{1, 1, 2, 2, 4, 16} // branch, leaf, meta, freelist
	ids := kinds[order[rng.IntN(len(order))]]
	id := ids[rng.IntN(len(ids))]
	page := bytes.Clone(b[id*uint64(info.PageSize):][:info.PageSize])
	le, what := binary.LittleEndian, ""
	entry := 16 + 16*rng.IntN(max(1, int(le.Uint16(page[10:]))))
	entry = min(entry, len(page)-16)
	switch rng.IntN(10) {
	case 0:
		what = "leads to itself"
		le.PutUint64(page[entry+8:], id)
	case 1:
		what = "leads to a page of another place"
		le.PutUint64(page[entry+8:], rng.Uint64N(info.Pages+2))
	case 2:
		what = "leads nowhere"
		le.PutUint64(page[entry+8:], rng.Uint64())
	case 3:
		what = "has a single entry, which leads to itself"
		le.PutUint16(page[10:], 1)
		le.PutUint64(page[24:], id)
	case 4:
		what = "overflow"
		le.PutUint32(page[12:], rng.Uint32())
	case 5:
		what = "count"
		le.PutUint16(page[10:], uint16(rng.Uint32()))
	case 6:
		what = "flags"
		le.PutUint16(page[8:], []uint16{0, 1, 2, 4, 16, 0xffff}[rng.IntN(6)])
	case 7:
		what = "lengths"
		le.PutUint32(page[entry+rng.IntN(4)*4:], rng.Uint32())
	default:
		at := rng.IntN(min(len(page), 16+16*(1+int(le.Uint16(page[10:])))))
		what = fmt.Sprint("a bit of byte ", at)
		page[at] ^= 1 << rng.IntN(8)
	}
	what = fmt.Sprintf("page %d (flags %#x): %s", id, le.Uint16(b[id*uint64(info.PageSize)+8:]), what)
	_, err = file.WriteAt(page, int64(id)*int64(info.PageSize))
	return what, err
}
