package api

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// portHolder says which process listens on a TCP port, as far as proc tells: another user's processes
// can be seen only by root.
func portHolder(proc string, port int) string {
	inodes := listening(proc, port)
	if len(inodes) == 0 {
		return "another process"
	}
	fds, err := filepath.Glob(filepath.Join(proc, "[0-9]*", "fd", "*"))
	if err != nil {
		return "another process"
	}
	for _, fd := range fds {
		link, err := os.Readlink(fd)
		if err != nil || !slices.Contains(inodes, link) {
			continue
		}
		dir := filepath.Dir(filepath.Dir(fd))
		name, err := os.ReadFile(filepath.Join(dir, "comm"))
		if err != nil {
			continue
		}
		return fmt.Sprintf("%s (pid %s)", strings.TrimSpace(string(name)), filepath.Base(dir))
	}
	return "a process of another user (ss -ltnp as root names it)"
}

// listening returns the sockets that listen on a port, as their links in /proc/PID/fd read.
func listening(proc string, port int) []string {
	const listen = "0A"
	var found []string
	for _, table := range []string{"tcp", "tcp6"} {
		f, err := os.Open(filepath.Join(proc, "net", table))
		if err != nil {
			continue
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			// sl local_address rem_address st tx_queue:rx_queue tr:when retrnsmt uid timeout inode
			field := strings.Fields(lines.Text())
			if len(field) < 10 || field[3] != listen {
				continue
			}
			_, hex, _ := strings.Cut(field[1], ":")
			if n, err := strconv.ParseUint(hex, 16, 16); err == nil && int(n) == port {
				found = append(found, "socket:["+field[9]+"]")
			}
		}
		f.Close()
	}
	return found
}
