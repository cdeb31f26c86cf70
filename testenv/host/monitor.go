package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A monitor is QEMU's own control channel (QMP): JSON over a pair of sockets.
type monitor struct {
	net.Conn
	decoder *json.Decoder
}

// openMonitor makes the pair; theirs is for QEMU.
func (m *Machine) openMonitor() (theirs *os.File, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "monitor"), os.NewFile(uintptr(pair[1]), "monitor")
	defer ours.Close() // the connection has a descriptor of its own
	conn, err := net.FileConn(ours)
	if err != nil {
		return nil, errors.Join(err, theirs.Close())
	}
	m.monitor = &monitor{conn, json.NewDecoder(conn)}
	return theirs, nil
}

// do carries out a command. The first is qmp_capabilities, which ends the greeting.
func (q *monitor) do(command string, arguments any) error {
	if err := q.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return err
	}
	if err := json.NewEncoder(q).Encode(map[string]any{"execute": command, "arguments": arguments}); err != nil {
		return fmt.Errorf("qemu %s: %w", command, err)
	}
	for {
		var answer struct {
			Return json.RawMessage `json:"return"`
			Error  *struct {
				Desc string `json:"desc"`
			} `json:"error"`
		}
		if err := q.decoder.Decode(&answer); err != nil {
			return fmt.Errorf("qemu %s: %w", command, err)
		}
		switch {
		case answer.Error != nil:
			return fmt.Errorf("qemu %s: %s", command, answer.Error.Desc)
		case answer.Return != nil:
			return nil
		} // else the greeting, or an event
	}
}

// GrowDisk gives the second disk another size in bytes, as a cloud's volume grows: the machine sees it at once.
func (m *Machine) GrowDisk(bytes int64) error {
	return m.monitor.do("block_resize", map[string]any{"device": "data", "size": bytes})
}
