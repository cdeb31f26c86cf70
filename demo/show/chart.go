package show

import (
	"math"
	"strings"
)

// chart draws values as a row of bars, as wide as there is room, newest on the right. The tallest bar is the
// largest value, or the bound if that is larger, so that a chart below its bound looks low.
func (y style) chart(values []float64, bound float64, width int) string {
	if width <= 0 {
		return ""
	}
	if len(values) > width {
		values = values[len(values)-width:]
	}
	top := bound
	for _, v := range values {
		if !math.IsNaN(v) {
			top = max(top, v)
		}
	}
	var b strings.Builder
	b.WriteString(strings.Repeat(" ", width-len(values)))
	for _, v := range values {
		b.WriteRune(y.bar(v, top))
	}
	return b.String()
}

// bar is the height of one value.
func (y style) bar(v, top float64) rune {
	switch {
	case math.IsNaN(v):
		return ' '
	case top <= 0 || v <= 0:
		return y.bars[0]
	}
	at := int(math.Ceil(v / top * float64(len(y.bars)-1)))
	return y.bars[min(max(at, 0), len(y.bars)-1)]
}
