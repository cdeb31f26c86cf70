package show

import (
	"os"

	"golang.org/x/sys/unix"
)

// Live reports whether a live view can be drawn: both ends are terminals, of a kind that can move its cursor.
func Live(in, out *os.File, term string) bool {
	return term != "" && term != "dumb" && isTerminal(in) && isTerminal(out)
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
