package vector

// ReadHeader gives the decoder of headers to the fuzzer.
func ReadHeader(b []byte) (dim int, err error) {
	l, err := readHeader(b)
	return l.dim, err
}

// Header and Offset tell tests where things are.
func Header(dim int) []byte            { return layoutOf(dim).header() }
func Offset(dim int, ord uint32) int64 { return dataStart + int64(ord)*int64(layoutOf(dim).stride) }
