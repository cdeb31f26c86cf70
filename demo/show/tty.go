package show

import (
	"os"

	"golang.org/x/sys/unix"
)

// Live reports whether a live view can be drawn: both ends are terminals, of a kind that can move its cursor, and
// of a size that is known.
func Live(in, out *os.File, term string) bool {
	return term != "" && term != "dumb" && isTerminal(in) && isTerminal(out) && hasSize(out)
}

// hasSize is false for a terminal that nobody has told its size: a serial line, script(1) without a terminal.
func hasSize(f *os.File) bool {
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	return err == nil && size.Col > 0 && size.Row > 0
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
