package cgroup

import (
	"strconv"
	"strings"
	"time"
)

// readPressure reads the stalls of the v2 hierarchy. The host's are not a group's: a v1 group has
// none.
func (g Group) readPressure(r *reader, p *Pressure) {
	d, ok := g.dirs[unified]
	if !ok {
		return
	}
	p.CPU, _ = value(r, d, "cpu.pressure", parsePressure)
	p.Memory, _ = value(r, d, "memory.pressure", parsePressure)
	p.IO, _ = value(r, d, "io.pressure", parsePressure)
}

// parsePressure reads a pressure file: "some avg10=0.00 avg60=0.00 avg300=0.00 total=12" and the
// same for full. Only the totals are kept: averages are the reader's to choose.
func parsePressure(name string, text []byte) (Stall, error) {
	var s Stall
	for at, line := range lines(name, text) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			return Stall{}, at.fault("is blank")
		}
		total, err := at.total(fields[1:])
		if err != nil {
			return Stall{}, err
		}
		switch fields[0] {
		case "some":
			s.Some = scaled(&total, time.Microsecond)
		case "full":
			s.Full = scaled(&total, time.Microsecond)
		}
	}
	return s, nil
}

// total finds total=N among the fields of one line.
func (p place) total(fields []string) (int64, error) {
	for _, f := range fields {
		if s, ok := strings.CutPrefix(f, "total="); ok {
			n, err := strconv.ParseInt(s, 10, 64)
			if err != nil || n < 0 {
				return 0, p.fault("want total=N, got %.40q", f)
			}
			return n, nil
		}
	}
	return 0, p.fault("want total=N, got none")
}
