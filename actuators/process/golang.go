package process

import (
	"debug/buildinfo"
	"errors"
	"fmt"
	"go/version"
	"io"
	"os"
	"strings"
)

// maxProgram bounds how much of a program's file is read. What the linker writes for Go stands in a
// section of its own; only programs without sections are searched.
const maxProgram = 8 << 20

// followsSince is the first Go that follows the limit on CPU of its control group, at its start and
// after.
const followsSince = "go1.25"

// A build is what the linker says of a program in Go.
type build struct {
	version string // "go1.26.1"
	debug   string // the defaults of GODEBUG that the main module chose
}

// errTooMuch says that a program would take more reading than it is worth.
var errTooMuch = errors.New("more than is read")

// readGo reads what Go's linker left in a program, nil if it is not in Go.
func readGo(name string) (b *build, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parseGo(f)
}

// parseGo is readGo of an open file, which may hold anything.
func parseGo(file io.ReaderAt) (b *build, err error) {
	defer func() {
		if p := recover(); p != nil { // debug/elf does not promise to bear any file
			b, err = nil, fmt.Errorf("its program makes no sense: %v", p)
		}
	}()
	info, err := buildinfo.Read(&bounded{file, maxProgram})
	if err != nil {
		return nil, nil // not in Go, or so old that it says nothing
	}
	b = &build{version: release(info.GoVersion)}
	for _, s := range info.Settings {
		if s.Key == "DefaultGODEBUG" {
			b.debug = s.Value
		}
	}
	return b, nil
}

// release finds the number in what a toolchain calls itself: "go1.26.1 X:nosplit", "devel go1.27-abc".
func release(text string) string {
	for word := range strings.FieldsSeq(text) {
		if strings.HasPrefix(word, "go1") {
			word, _, _ = strings.Cut(word, "-")
			return word
		}
	}
	return ""
}

// bounded ends the reading of a file that takes too much of it.
type bounded struct {
	io.ReaderAt
	left int64
}

// ReadAt reads while the bound is not reached.
func (b *bounded) ReadAt(p []byte, at int64) (int, error) {
	if b.left -= int64(len(p)); b.left < 0 {
		return 0, errTooMuch
	}
	return b.ReaderAt.ReadAt(p, at)
}

// golang notes what a program in Go follows.
func (r *Runtime) golang(b build, env environment) {
	r.Kind, r.Version = Go, b.version
	switch n := env["GOMAXPROCS"]; {
	case n != "" && n != "0":
		r.CPU = Fixed{Why: fmt.Sprintf("GOMAXPROCS=%.20s in its environment fixes how many processors it uses", n)}
	case b.version == "":
	case version.Compare(b.version, followsSince) < 0:
		r.CPU = Fixed{Why: b.version + " counts its processors only at its start (GOMAXPROCS)", Restart: true}
	case setting("updatemaxprocs", env["GODEBUG"], b.debug) == "0":
		r.CPU = Fixed{Why: b.version + " counts its processors only at its start (GODEBUG updatemaxprocs=0)", Restart: true}
	case setting("containermaxprocs", env["GODEBUG"], b.debug) == "0":
		r.CPU = Fixed{Why: b.version + " does not look at its limit (GODEBUG containermaxprocs=0)"}
	}
	if n := env["GOMEMLIMIT"]; n != "" && n != "off" {
		r.Memory = Fixed{Why: fmt.Sprintf("GOMEMLIMIT=%.20s in its environment fixes how much memory it aims at", n)}
	}
}

// setting finds a setting of GODEBUG: the last that is given counts, the environment's before the
// program's own.
func setting(name string, lists ...string) string {
	for _, list := range lists {
		found := ""
		for one := range strings.SplitSeq(list, ",") {
			if key, value, ok := strings.Cut(one, "="); ok && key == name {
				found = value
			}
		}
		if found != "" {
			return found
		}
	}
	return ""
}
