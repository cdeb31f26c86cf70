package cgroup

import "strings"

// A transfer is an amount read and an amount written, in bytes or in operations.
type transfer struct{ read, write int64 }

func (g Group) readIO(r *reader, io *IO) {
	d, ok := g.in("blkio")
	if !ok {
		return
	}
	if d.v2 {
		if t, ok := value(r, d, "io.stat", parseIOStat); ok {
			io.ReadBytes, io.WriteBytes = &t[0].read, &t[0].write
			io.ReadOps, io.WriteOps = &t[1].read, &t[1].write
		}
		return
	}
	if t, ok := r.blkio(d, "blkio.throttle.io_service_bytes"); ok {
		io.ReadBytes, io.WriteBytes = &t.read, &t.write
	}
	if t, ok := r.blkio(d, "blkio.throttle.io_serviced"); ok {
		io.ReadOps, io.WriteOps = &t.read, &t.write
	}
}

// blkio reads a v1 file in its recursive form, or without its children where the kernel is old.
func (r *reader) blkio(d dir, name string) (transfer, bool) {
	if t, ok := value(r, d, name+"_recursive", parseBlkio); ok {
		return t, true
	}
	return value(r, d, name, parseBlkio)
}

// parseBlkio adds up a v1 file of lines "8:0 Read 4096"; the last line is a total.
func parseBlkio(name string, text []byte) (transfer, error) {
	var t transfer
	for at, line := range lines(name, text) {
		fields := strings.Fields(line)
		if len(fields) == 2 && fields[0] == "Total" {
			continue
		}
		if len(fields) != 3 {
			return transfer{}, at.fault("want a device, an operation and a number, got %.40q", line)
		}
		n, err := at.number(fields[2])
		if err != nil {
			return transfer{}, err
		}
		switch fields[1] {
		case "Read":
			t.read = plus(t.read, n)
		case "Write":
			t.write = plus(t.write, n)
		}
	}
	return t, nil
}

// parseIOStat adds up v2's io.stat: lines "8:0 rbytes=1 wbytes=2 rios=3 wios=4 ...". It returns the
// bytes and the operations.
func parseIOStat(name string, text []byte) ([2]transfer, error) {
	var bytes, ops transfer
	for at, line := range lines(name, text) {
		for field := range strings.FieldsSeq(line) {
			key, value, _ := strings.Cut(field, "=") // the device has none
			to := map[string]*int64{"rbytes": &bytes.read, "wbytes": &bytes.write, "rios": &ops.read, "wios": &ops.write}[key]
			if to == nil {
				continue
			}
			n, err := at.number(value)
			if err != nil {
				return [2]transfer{}, err
			}
			*to = plus(*to, n)
		}
	}
	return [2]transfer{bytes, ops}, nil
}
