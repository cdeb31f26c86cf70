package process

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Bounds of what is read of one process.
const (
	maxStat     = 4 << 10
	maxCmdline  = 256 << 10
	maxEnviron  = 256 << 10
	maxMaps     = 4 << 20
	maxChildren = 4 << 10
)

// A proc is the directory of one process.
type proc struct {
	root string // where proc is
	pid  int
}

func (p proc) file(name string) string {
	return filepath.Join(p.root, "proc", strconv.Itoa(p.pid), name)
}

// read returns the first bytes of a file, and whether that was all.
func (p proc) read(name string, most int64) (text []byte, all bool, err error) {
	f, err := os.Open(p.file(name))
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	text, err = io.ReadAll(io.LimitReader(f, most+1))
	if int64(len(text)) > most {
		return text[:most], false, err
	}
	return text, true, err
}

// A stat is what /proc/PID/stat says that matters here.
type stat struct {
	threads int
	started uint64 // in ticks since boot: with the id it names a process for good
}

func (p proc) stat() (stat, error) {
	text, _, err := p.read("stat", maxStat)
	if err != nil {
		return stat{}, err
	}
	s, ok := parseStat(string(text))
	if !ok {
		return stat{}, fmt.Errorf("%s makes no sense", p.file("stat"))
	}
	return s, nil
}

// parseStat reads the fields after the name of the program, which may hold blanks and brackets.
func parseStat(text string) (stat, bool) {
	_, text, found := strings.Cut(text[max(0, strings.LastIndexByte(text, ')')):], ")")
	fields := strings.Fields(text)
	if !found || len(fields) < 20 {
		return stat{}, false
	}
	threads, bad := strconv.Atoi(fields[17])
	started, worse := strconv.ParseUint(fields[19], 10, 64)
	return stat{threads, started}, bad == nil && worse == nil && threads >= 0
}

// program is the path of the file that runs.
func (p proc) program() (string, error) {
	name, err := os.Readlink(p.file("exe"))
	return strings.TrimSuffix(name, " (deleted)"), err
}

// arguments is the command line. The kernel ends each argument with a zero byte.
func (p proc) arguments() ([]string, error) {
	text, all, err := p.read("cmdline", maxCmdline)
	return split(text, all), err
}

// environment is what the process was started with. What it has set since does not show.
func (p proc) environment() (environment, error) {
	text, all, err := p.read("environ", maxEnviron)
	if err != nil {
		return nil, err
	}
	env := environment{}
	for _, one := range split(text, all) {
		if name, value, ok := strings.Cut(one, "="); ok {
			if _, twice := env[name]; !twice { // getenv finds the first
				env[name] = value
			}
		}
	}
	return env, nil
}

// An environment holds variables by name; nil is one that could not be read.
type environment map[string]string

// split takes apart what ends with zero bytes. What was cut off in the middle is left out.
func split(text []byte, all bool) []string {
	if !all {
		text = text[:bytes.LastIndexByte(text, 0)+1]
	}
	text = bytes.TrimSuffix(text, []byte{0})
	if len(text) == 0 {
		return nil
	}
	return strings.Split(string(text), "\x00")
}

// onlyChild is the child of a process that has just one.
func (p proc) onlyChild() (proc, bool) {
	text, all, err := p.read(filepath.Join("task", strconv.Itoa(p.pid), "children"), maxChildren)
	ids := strings.Fields(string(text))
	if err != nil || !all || len(ids) != 1 {
		return proc{}, false
	}
	pid, err := strconv.Atoi(ids[0])
	return proc{p.root, pid}, err == nil && pid > 0
}

// maps reports whether a file of that name is mapped.
func (p proc) maps(name string) (bool, error) {
	text, _, err := p.read("maps", maxMaps)
	return bytes.Contains(text, []byte("/"+name+"\n")), err
}

// cause says in a few words why something could not be read.
func cause(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ESRCH):
		return "it has ended"
	case errors.Is(err, fs.ErrPermission):
		return "no permission to look into it"
	}
	return err.Error()
}
