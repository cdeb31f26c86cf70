package process_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A tree is a /proc of a test's own.
type tree struct {
	t    testing.TB
	root string
}

func newTree(t testing.TB) tree { return tree{t, t.TempDir()} }

// A recorded process, as /proc shows it.
type recorded struct {
	started  int
	threads  int
	args     []string
	env      []string
	program  string // where exe points to
	exe      []byte // what stands there
	maps     string
	children []int
}

func (tr tree) add(pid int, r recorded) {
	tr.t.Helper()
	dir := filepath.Join(tr.root, "proc", strconv.Itoa(pid))
	program := filepath.Join(tr.root, r.program)
	tr.write(program, r.exe)
	// The name in stat is the program's own choice.
	tr.write(filepath.Join(dir, "stat"), fmt.Appendf(nil, "%d (a) b (c) S 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 %d 0 %d 1000 200\n", pid, r.threads, r.started))
	tr.write(filepath.Join(dir, "cmdline"), zeroed(r.args))
	tr.write(filepath.Join(dir, "environ"), zeroed(r.env))
	tr.write(filepath.Join(dir, "maps"), []byte(r.maps))
	tr.write(filepath.Join(dir, "task", strconv.Itoa(pid), "children"), []byte(strings.Trim(fmt.Sprint(r.children), "[]")))
	link := filepath.Join(dir, "exe")
	os.Remove(link)
	if err := os.Symlink(program, link); err != nil {
		tr.t.Fatal(err)
	}
}

func (tr tree) write(name string, text []byte) {
	tr.t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		tr.t.Fatal(err)
	}
	if err := os.WriteFile(name, text, 0o755); err != nil {
		tr.t.Fatal(err)
	}
}

func zeroed(words []string) []byte {
	var b []byte
	for _, w := range words {
		b = append(append(b, w...), 0)
	}
	return b
}

// goProgram is as much of a program as tells which Go it was linked by: an ELF file with a section of
// build information, as every linker since go1.18 writes it.
func goProgram(version string, settings ...string) []byte {
	var mod strings.Builder
	mod.WriteString("path\texample.org/app\nmod\texample.org/app\t(devel)\t\n")
	for _, s := range settings {
		mod.WriteString("build\t" + s + "\n")
	}
	framed := strings.Repeat("0", 16) + mod.String() + strings.Repeat("1", 16)
	info := append([]byte("\xff Go buildinf:\x08\x02"), make([]byte, 16)...)
	for _, text := range []string{version, framed} {
		info = append(binary.AppendUvarint(info, uint64(len(text))), text...)
	}
	names := []byte("\x00.go.buildinfo\x00.shstrtab\x00")

	const header, progs, sections, base = 64, 56, 64, 0x400000
	infoAt := header + progs
	namesAt := infoAt + len(info)
	sectionsAt := (namesAt + len(names) + 7) &^ 7
	var b bytes.Buffer
	w := func(fields ...any) {
		for _, f := range fields {
			binary.Write(&b, binary.LittleEndian, f)
		}
	}
	w([]byte("\x7fELF\x02\x01\x01"), make([]byte, 9), uint16(2), uint16(62), uint32(1), uint64(0), uint64(header), uint64(sectionsAt),
		uint32(0), uint16(header), uint16(progs), uint16(1), uint16(sections), uint16(3), uint16(2))
	w(uint32(1), uint32(6), uint64(infoAt), uint64(base), uint64(base), uint64(len(info)), uint64(len(info)), uint64(16))
	b.Write(info)
	b.Write(names)
	b.Write(make([]byte, sectionsAt-b.Len()))
	w(make([]byte, sections))
	w(uint32(1), uint32(1), uint64(3), uint64(base), uint64(infoAt), uint64(len(info)), uint32(0), uint32(0), uint64(16), uint64(0))
	w(uint32(15), uint32(3), uint64(0), uint64(0), uint64(namesAt), uint64(len(names)), uint32(0), uint32(0), uint64(1), uint64(0))
	return b.Bytes()
}
