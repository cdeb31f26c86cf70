package systemd

import (
	"slices"
	"strings"
)

// OwnDropIn is the name of the driver's own drop-in.
const OwnDropIn = "zz-engramd.conf"

const ownHeader = "# Made by engramd, which changes it. `engramd release` gives it back."

// assignments reads a unit file: for each of [keys], the value that its last line gives. A key that
// is absent is not set there.
func assignments(text string) map[string]string {
	set := map[string]string{}
	for _, line := range logicalLines(text) {
		key, value, ok := strings.Cut(line, "=")
		key = strings.TrimSpace(key)
		if ok && slices.Contains(keys, key) {
			set[key] = strings.TrimSpace(value)
		}
	}
	return set
}

// logicalLines leaves comments out and joins lines that end in a backslash. A comment between two
// such lines does not part them.
func logicalLines(text string) []string {
	var done []string
	var pending string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if trimmed := strings.TrimSpace(line); trimmed == "" && pending == "" || strings.HasPrefix(trimmed, "#") || strings.HasPrefix(trimmed, ";") {
			continue
		}
		if more, ok := strings.CutSuffix(line, `\`); ok {
			pending += more + " "
			continue
		}
		done = append(done, pending+line)
		pending = ""
	}
	if pending != "" {
		done = append(done, pending)
	}
	return done
}

// withLines is the driver's own drop-in with the lines of a setting in place of what it had, or without
// them if lines is nil. It is "" when nothing is left in it. What somebody else wrote into it stays.
func withLines(text, unit, key string, lines *string) string {
	var kept []string
	for l := range strings.Lines(text) {
		l = strings.TrimRight(l, "\r\n")
		if !sets(l, key) {
			kept = append(kept, l)
			continue
		}
		if lines != nil {
			kept = append(kept, *lines)
			lines = nil
		}
	}
	if lines != nil {
		kept = inserted(kept, "["+section(unit)+"]", *lines)
	}
	if !slices.ContainsFunc(kept, matters) {
		return ""
	}
	return strings.Join(kept, "\n") + "\n"
}

// inserted adds a line at the end of its section.
func inserted(lines []string, section, line string) []string {
	if len(lines) == 0 {
		lines = []string{ownHeader}
	}
	at := slices.Index(lines, section)
	if at < 0 {
		return append(lines, section, line)
	}
	end := at + 1
	for end < len(lines) && !strings.HasPrefix(lines[end], "[") {
		end++
	}
	return slices.Insert(lines, end, line)
}

// matters reports whether a line is more than what the driver writes around its settings.
func matters(line string) bool {
	line = strings.TrimSpace(line)
	return line != "" && line != ownHeader && !strings.HasPrefix(line, "[")
}

func sets(line, key string) bool {
	k, _, ok := strings.Cut(line, "=")
	return ok && strings.TrimSpace(k) == key
}

// linesOf finds the lines of a setting in the driver's own drop-in, nil for none.
func linesOf(text, key string) *string {
	var found []string
	for l := range strings.Lines(text) {
		l = strings.TrimRight(l, "\r\n")
		if sets(l, key) {
			found = append(found, l)
		}
	}
	if found == nil {
		return nil
	}
	return new(strings.Join(found, "\n"))
}
