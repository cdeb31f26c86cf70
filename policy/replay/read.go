package replay

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What a recording may be at most.
const (
	maxMinutes = 2 * 366 * 24 * 60
	maxLine    = 4096
	maxNotes   = 20
)

// A format is one kind of recording that is understood.
type format struct {
	header  string
	layouts []string
	percent bool
}

var formats = []format{
	{"timestamp,value", []string{time.DateTime, time.RFC3339}, true},
	{"TIMESTAMP,CPU_USAGE_ACTUAL", []string{"2006.01.02-15:04:05:000", time.DateTime, time.RFC3339}, false},
}

type point struct {
	at    time.Time
	value float64
	line  int
}

// Read reads a recording as CSV: `timestamp,value` in per cent of hostCores, or
// `TIMESTAMP,CPU_USAGE_ACTUAL` in cores. Demand is held between samples, over gaps too; samples out of
// order are put in order, of several at one time the largest counts, an empty value or NaN is a gap.
// All this is noted with its line. What cannot be a demand (negative, infinite, not a number, no time)
// is an error that names the line.
func Read(r io.Reader, name string, hostCores float64) (Trace, error) {
	if !(hostCores > 0) || math.IsInf(hostCores, 0) {
		return Trace{}, fmt.Errorf("trace %s: a host of %v cores: want more than 0", name, hostCores)
	}
	in := &reader{name: name}
	if err := in.read(r); err != nil {
		return Trace{}, fmt.Errorf("trace %s: %w", name, err)
	}
	if in.format.percent {
		for i := range in.points {
			in.points[i].value *= hostCores / 100
		}
	}
	t, err := in.trace()
	if err != nil {
		return Trace{}, fmt.Errorf("trace %s: %w", name, err)
	}
	return t, nil
}

type reader struct {
	name   string
	format format
	points []point
	notes  []string
	more   int
}

func (in *reader) note(format string, args ...any) {
	if len(in.notes) == maxNotes {
		in.more++
		return
	}
	in.notes = append(in.notes, fmt.Sprintf(format, args...))
}

func (in *reader) read(r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	n := 1
	for ; lines.Scan(); n++ {
		line := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\ufeff"))
		switch {
		case line == "":
		case in.format.header == "":
			i := slices.IndexFunc(formats, func(f format) bool { return f.header == line })
			if i < 0 {
				return fmt.Errorf("line %d: unknown header %.80q: want %q (per cent) or %q (cores)", n, line, formats[0].header, formats[1].header)
			}
			in.format = formats[i]
		default:
			if err := in.sample(n, line); err != nil {
				return fmt.Errorf("line %d: %w", n, err)
			}
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("line %d: it is longer than %d bytes: is this a recording?", n, maxLine)
	} else if err != nil {
		return fmt.Errorf("after %d samples: %w", len(in.points), err)
	}
	if len(in.points) == 0 {
		return errors.New("no samples in it")
	}
	return nil
}

func (in *reader) sample(n int, line string) error {
	stamp, text, ok := strings.Cut(line, ",")
	if !ok {
		return fmt.Errorf("%.80q: want a time, a comma and a value", line)
	}
	at, err := in.time(strings.TrimSpace(stamp))
	if err != nil {
		return err
	}
	if text = strings.TrimSpace(text); text == "" {
		in.note("line %d: no value, the demand before it is held", n)
		return nil
	}
	v, err := strconv.ParseFloat(text, 64)
	switch {
	case math.IsNaN(v):
		in.note("line %d: NaN, the demand before it is held", n)
		return nil
	case err != nil || math.IsInf(v, 0):
		return fmt.Errorf("%.40q is not a number", text)
	case v < 0:
		return fmt.Errorf("a demand of %v is negative", v)
	case v > 1e9:
		return fmt.Errorf("a demand of %v is beyond any host", v)
	}
	in.points = append(in.points, point{at, v, n})
	return nil
}

func (in *reader) time(text string) (time.Time, error) {
	for _, layout := range in.format.layouts {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("%.40q is not a time like %s", text, in.format.layouts[0])
}

// trace puts the points in order and lays them out by minutes.
func (in *reader) trace() (Trace, error) {
	in.order()
	first, last := in.points[0], in.points[len(in.points)-1]
	step := in.step()
	minutes := last.at.Sub(first.at).Minutes() + step.Minutes()
	if minutes > maxMinutes {
		return Trace{}, fmt.Errorf("from line %d to line %d pass %.0f days: want at most %d", first.line, last.line, minutes/1440, maxMinutes/1440)
	}
	t := Trace{Name: in.name, Start: first.at}
	for i, p := range in.points {
		end := p.at.Add(step)
		if i+1 < len(in.points) {
			if gap := in.points[i+1].at.Sub(p.at); gap > 3*step {
				in.note("line %d: nothing for %v after it, the demand is held", p.line, gap)
			}
			end = in.points[i+1].at
		}
		for n := minute(end.Sub(first.at)); len(t.Demand) < n; {
			t.Demand = append(t.Demand, p.value)
		}
	}
	if in.more > 0 {
		in.notes = append(in.notes, fmt.Sprintf("and %d more", in.more))
	}
	t.Notes = in.notes
	return t, nil
}

// order sorts by time, and keeps the largest of several values at one time.
func (in *reader) order() {
	for i := 1; i < len(in.points); i++ {
		if in.points[i].at.Before(in.points[i-1].at) {
			in.note("line %d: earlier than the line before it, put in order", in.points[i].line)
		}
	}
	slices.SortStableFunc(in.points, func(a, b point) int { return a.at.Compare(b.at) })
	kept := in.points[:1]
	for _, p := range in.points[1:] {
		last := &kept[len(kept)-1]
		if !p.at.Equal(last.at) {
			kept = append(kept, p)
			continue
		}
		in.note("line %d: the same time as line %d, the larger counts", p.line, last.line)
		last.value = math.Max(last.value, p.value)
	}
	in.points = kept
}

// step is the usual time between two samples, at least a minute: how long the last one is held.
func (in *reader) step() time.Duration {
	if len(in.points) < 2 {
		return time.Minute
	}
	gaps := make([]time.Duration, 0, len(in.points)-1)
	for i := 1; i < len(in.points); i++ {
		gaps = append(gaps, in.points[i].at.Sub(in.points[i-1].at))
	}
	slices.Sort(gaps)
	return max(time.Minute, gaps[len(gaps)/2])
}

// minute counts the minutes that begin before d is over: each has the demand that is held at its begin.
func minute(d time.Duration) int { return int((d + time.Minute - 1) / time.Minute) }
