package vector

import "math"

// plainDot is the dot product where the processor has no better way; eight sums keep it busy.
func plainDot(a, b []float32) float32 {
	var s [8]float32
	b = b[:len(a)]
	n := len(a) &^ 7
	for i := 0; i < n; i += 8 {
		x, y := a[i:i+8:i+8], b[i:i+8:i+8]
		s[0] += x[0] * y[0]
		s[1] += x[1] * y[1]
		s[2] += x[2] * y[2]
		s[3] += x[3] * y[3]
		s[4] += x[4] * y[4]
		s[5] += x[5] * y[5]
		s[6] += x[6] * y[6]
		s[7] += x[7] * y[7]
	}
	for i := n; i < len(a); i++ {
		s[0] += a[i] * b[i]
	}
	return ((s[0] + s[4]) + (s[1] + s[5])) + ((s[2] + s[6]) + (s[3] + s[7]))
}

// wideDot is the dot product where float32 would overflow or lose everything.
func wideDot(a, b []float32) float64 {
	var s float64
	for i, x := range a {
		s += float64(x) * float64(b[i])
	}
	return s
}

// length returns 1 / length of vector and state, which says isWide where that is not to be used.
func (v *View) length(vector []float32, state uint8) (float32, uint8) {
	square := v.dot(vector, vector)
	if !(square > 1e-30 && square < 1e30) {
		return 0, state | isWide
	}
	return float32(1 / math.Sqrt(float64(square))), state
}

// narrow returns x as a finite float32.
func narrow(x float64) float32 {
	return float32(max(-math.MaxFloat32, min(math.MaxFloat32, x)))
}
