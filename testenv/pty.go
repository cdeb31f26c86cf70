package testenv

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// PTY returns the two ends of a terminal of this size: what is written to tty is read from person, and keys go the other
// way. Both are closed with the test.
func PTY(t testing.TB, columns, rows int) (person, tty *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatalf("testenv: make a terminal: %v", err)
	}
	t.Cleanup(func() { person.Close() })
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatalf("testenv: unlock a terminal: %v", err)
	}
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatalf("testenv: number of a terminal: %v", err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatalf("testenv: open a terminal: %v", err)
	}
	t.Cleanup(func() { tty.Close() })
	ResizePTY(t, person, columns, rows)
	return person, tty
}

// ResizePTY gives a terminal another size. Who draws on it is told by SIGWINCH, if it is his controlling terminal.
func ResizePTY(t testing.TB, person *os.File, columns, rows int) {
	t.Helper()
	if err := unix.IoctlSetWinsize(int(person.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(rows), Col: uint16(columns)}); err != nil {
		t.Fatalf("testenv: set the size of a terminal: %v", err)
	}
}

// TerminalMode is how a terminal treats what is typed: two of them are compared to see whether it was left as it was found.
func TerminalMode(t testing.TB, tty *os.File) unix.Termios {
	t.Helper()
	mode, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatalf("testenv: mode of a terminal: %v", err)
	}
	return *mode
}
