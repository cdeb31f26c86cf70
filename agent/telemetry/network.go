package telemetry

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/prometheus/procfs"
)

// gone tells whether what was to be read has ended meanwhile.
func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) }

// network adds what the network namespace of a part's process counts. What cannot be read is absent.
func (m *measurement) network(root string, pid int, ids []string) {
	if pid == 0 {
		return
	}
	proc, err := procfs.NewFS(filepath.Join(root, "proc"))
	if err != nil {
		return
	}
	p, err := proc.Proc(pid)
	if err != nil {
		return
	}
	b := builder{ids: ids}
	if devices, err := p.NetDev(); err == nil {
		var dropped uint64
		for name, d := range devices {
			if name != "lo" {
				dropped += d.RxDropped + d.TxDropped
			}
		}
		b.add("network_dropped_total", float64(dropped))
	}
	if s, err := p.Snmp(); err == nil {
		for _, v := range []struct {
			name  string
			value *float64
		}{{"tcp_sent_total", s.Tcp.OutSegs}, {"tcp_retransmitted_total", s.Tcp.RetransSegs}} {
			if v.value != nil {
				b.add(v.name, *v.value)
			}
		}
	}
	if n, err := p.Netstat(); err == nil && n.TcpExt.ListenOverflows != nil {
		b.add("tcp_listen_overflows_total", *n.TcpExt.ListenOverflows)
	}
	m.samples = append(m.samples, b.samples...)
}

// network gives what the machine's own network devices carry: not those that are made of software, whose
// speed is made up. The speed is left out where the device does not know it.
func (h *host) network() ([]sample, error) {
	devices, err := h.fs.NetDev()
	if gone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the host's network: %w", err)
	}
	var out []sample
	for name, d := range devices {
		dir := filepath.Join(h.root, "sys/class/net", name)
		if _, err := os.Stat(filepath.Join(dir, "device")); err != nil {
			continue
		}
		out = append(out,
			sample{"engramd_host_network_bytes_total", float64(d.RxBytes), []string{"device", name, "direction", "received"}},
			sample{"engramd_host_network_bytes_total", float64(d.TxBytes), []string{"device", name, "direction", "sent"}},
		)
		text, err := os.ReadFile(filepath.Join(dir, "speed"))
		if err != nil {
			continue
		}
		if megabits, err := strconv.ParseFloat(strings.TrimSpace(string(text)), 64); err == nil && megabits > 0 {
			out = append(out, sample{"engramd_host_network_speed_bytes", megabits * 1e6 / 8, []string{"device", name}})
		}
	}
	return out, nil
}
