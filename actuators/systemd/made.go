package systemd

import (
	"path/filepath"
	"slices"
	"strings"
)

// MadeList is the name of the list, in a directory of drop-ins, of what the driver made there.
// systemd reads only *.conf.
const MadeList = "engramd.made"

const madeHeader = "# engramd made what is listed here, and `engramd release` removes it."

// made is that list: for each file of SetUnitProperties the line that it has, and "." if the directory
// was made along with them. A file that says something else by now is somebody else's. A change is
// noted before it is made, so that there are two lines, and the file may have either.
type made map[string]string

// between parts the two lines.
const between = " | "

func (f files) made(dir string) (made, error) {
	text, err := f.read(filepath.Join(dir, MadeList))
	if err != nil || text == nil {
		return made{}, err
	}
	list := made{}
	for line := range strings.Lines(*text) {
		name, what, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name != "" && !strings.HasPrefix(name, "#") {
			list[name] = what
		}
	}
	return list, nil
}

func (f files) writeMade(dir string, list made) error {
	lines := []string{madeHeader}
	for name, what := range list {
		lines = append(lines, strings.TrimSpace(name+" "+what))
	}
	slices.Sort(lines[1:])
	return f.write(filepath.Join(dir, MadeList), strings.Join(lines, "\n")+"\n")
}

// claim notes, before a file is made or changed, that it is the driver's. A file that is there
// already and was not the driver's stays somebody else's.
func (f files) claim(dir, name, what string) error {
	list, err := f.made(dir)
	if err != nil {
		return err
	}
	was, ours := list[name]
	last := was[max(0, strings.LastIndex(was, between)):]
	if last = strings.TrimPrefix(last, between); ours && last == what || !ours && f.exists(filepath.Join(dir, name)) {
		return nil
	}
	if !f.exists(dir) {
		list["."] = ""
	}
	if ours && last != "" {
		what = last + between + what
	}
	list[name] = what
	return f.writeMade(dir, list)
}

// reclaim notes that a file of the driver's is back at an earlier text.
func (f files) reclaim(dir, name, what string) error {
	list, err := f.made(dir)
	if was, ours := list[name]; err != nil || !ours || was == what {
		return err
	}
	list[name] = what
	return f.writeMade(dir, list)
}

// disclaim notes that a file is gone, and removes the directory if the driver made it and nothing is
// in it any more.
func (f files) disclaim(dir, name string) error {
	list, err := f.made(dir)
	if err != nil {
		return err
	}
	if _, listed := list[name]; listed {
		delete(list, name)
		_, dirToo := list["."]
		if len(list) > 1 || len(list) == 1 && !dirToo {
			return f.writeMade(dir, list)
		}
		if err := f.remove(filepath.Join(dir, MadeList)); err != nil || !dirToo {
			return err
		}
		f.removeEmpty(dir)
		// SetUnitProperties makes the control directory. The other one is never ours to remove: without
		// /run/systemd/system nobody believes that systemd runs.
		if up := filepath.Dir(dir); strings.HasSuffix(up, ".control") {
			f.removeEmpty(up)
		}
	}
	return nil
}

// ours reports whether a file is the driver's still.
func (f files) ours(dir, name, key string) (bool, error) {
	list, err := f.made(dir)
	if err != nil {
		return false, err
	}
	what, listed := list[name]
	if !listed {
		return false, nil
	}
	text, err := f.read(filepath.Join(dir, name))
	if err != nil || text == nil {
		return err == nil, err
	}
	value, set := assignments(*text)[key]
	return set && slices.ContainsFunc(strings.Split(what, between), func(line string) bool { return plain(key+"="+value) == plain(line) }), nil
}

// plain leaves out what may be written in two ways: systemd parts the ranges of a set with spaces, and
// writes 150.00% as 150%.
func plain(line string) string {
	words := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == ',' })
	for i, w := range words {
		if n, ok := strings.CutSuffix(w, "%"); ok && strings.Contains(n, ".") {
			words[i] = strings.TrimRight(strings.TrimRight(n, "0"), ".") + "%"
		}
	}
	return strings.Join(words, " ")
}
