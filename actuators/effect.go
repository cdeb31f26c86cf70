package actuators

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A finding is what one measurement says about the effect of a change: shown, not shown, or nil
// where nothing could be measured.
type finding struct {
	shown *bool
	text  string
}

var yes, no = new(true), new(false)

// findings collects what the criteria say. One that shows the effect is enough.
type findings struct {
	good, bad, unknown []string
}

func (f *findings) add(shown bool, format string, args ...any) {
	if shown {
		f.good = append(f.good, fmt.Sprintf(format, args...))
	} else {
		f.bad = append(f.bad, fmt.Sprintf(format, args...))
	}
}

func (f *findings) miss(format string, args ...any) {
	f.unknown = append(f.unknown, fmt.Sprintf(format, args...))
}

// anyGood is the verdict of criteria of which one must show an improvement.
func (f findings) anyGood() finding {
	switch {
	case len(f.good) > 0:
		return finding{yes, list(f.good)}
	case len(f.bad) > 0:
		return finding{no, list(f.bad)}
	}
	return finding{nil, list(f.unknown)}
}

// noneBad is the verdict of criteria of which none may show harm.
func (f findings) noneBad() finding {
	switch {
	case len(f.bad) > 0:
		return finding{no, list(f.bad)}
	case len(f.good) > 0:
		return finding{yes, list(f.good)}
	}
	return finding{nil, list(f.unknown)}
}

func list(said []string) string { return strings.Join(said, ", ") }

// number writes a measured value with as many digits as mean something.
func number(v float64) string {
	if math.Abs(v) >= 100 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// percent writes a ratio of time or periods.
func percent(ratio float64) string { return fmt.Sprintf("%.3g%%", 100*ratio) }
