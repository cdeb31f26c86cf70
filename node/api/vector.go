package api

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"
	"unsafe"

	"github.com/engramd/engramd/node/record"
	"github.com/go-json-experiment/json/jsontext"
)

// A Vector is written as the base64 of its numbers as float32, little endian, and read as that or as an array of numbers.
type Vector []float32

// MarshalJSON implements json.Marshaler.
func (v Vector) MarshalJSON() ([]byte, error) {
	if v == nil {
		return []byte("null"), nil
	}
	return v.appendBase64(make([]byte, 0, base64.StdEncoding.EncodedLen(4*len(v))+2)), nil
}

func (v Vector) appendBase64(dst []byte) []byte {
	raw := make([]byte, 0, 4*len(v))
	for _, x := range v {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
	}
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, raw)
	return append(dst, '"')
}

// appendArray writes the fewest digits that read as the same float32.
func (v Vector) appendArray(dst []byte) []byte {
	dst = append(dst, '[')
	for i, x := range v {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendFloat(dst, float64(x), 'g', -1, 32)
	}
	return append(dst, ']')
}

// UnmarshalJSON implements json.Unmarshaler. b is one whole JSON value.
func (v *Vector) UnmarshalJSON(b []byte) error {
	switch {
	case string(b) == "null":
		*v = nil
		return nil
	case len(b) >= 2 && b[0] == '"':
		return v.readBase64(b)
	case len(b) >= 2 && b[0] == '[':
		return v.readArray(b[1 : len(b)-1])
	}
	return invalid("vector", "is neither an array of numbers nor base64")
}

func (v *Vector) readBase64(b []byte) error {
	text := b[1 : len(b)-1]
	for _, c := range text {
		if c == '\\' { // some write \/
			var err error
			if text, err = jsontext.AppendUnquote(nil, b); err != nil {
				return invalid("vector", "is not base64: %v", err)
			}
			break
		}
	}
	if len(text) > base64.StdEncoding.EncodedLen(4*record.MaxDimension) {
		return invalid("vector", "has more than %d numbers", record.MaxDimension)
	}
	raw, err := base64.StdEncoding.Strict().AppendDecode(make([]byte, 0, base64.StdEncoding.DecodedLen(len(text))), text)
	if err != nil {
		return invalid("vector", "is not base64 (RFC 4648, standard alphabet, padded)")
	}
	if len(raw)%4 != 0 {
		return invalid("vector", "has %d bytes, which is no number of float32", len(raw))
	}
	out := make([]float32, len(raw)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		if x := out[i]; x != x || math.IsInf(float64(x), 0) {
			return invalid("vector", "number %d is not finite", i+1)
		}
	}
	*v = out
	return nil
}

// readArray reads what is between the brackets of a JSON array.
func (v *Vector) readArray(b []byte) error {
	out := make([]float32, 0, min(len(b)/4+1, record.MaxDimension))
	for i := skipSpace(b, 0); i < len(b); {
		end := i
		for end < len(b) && b[end] != ',' && !isSpace(b[end]) {
			end++
		}
		x, err := parseFloat(b[i:end])
		if err != nil {
			return invalid("vector", "number %d: %v", len(out)+1, err)
		}
		if len(out) == record.MaxDimension {
			return invalid("vector", "has more than %d numbers", record.MaxDimension)
		}
		out = append(out, x)
		if i = skipSpace(b, end); i == len(b) {
			break
		}
		if b[i] != ',' {
			return invalid("vector", "number %d is not followed by a comma", len(out))
		}
		if i = skipSpace(b, i+1); i == len(b) {
			return invalid("vector", "ends with a comma")
		}
	}
	*v = out
	return nil
}

// parseFloat reads a JSON number. strconv takes more (Inf, 0x1p-2, 1_000), none of which begins and goes on like one.
func parseFloat(b []byte) (float32, error) {
	for _, c := range b {
		if (c < '0' || c > '9') && c != '-' && c != '+' && c != '.' && c != 'e' && c != 'E' {
			return 0, strconv.ErrSyntax
		}
	}
	x, err := strconv.ParseFloat(unsafe.String(unsafe.SliceData(b), len(b)), 32)
	if err != nil {
		return 0, err.(*strconv.NumError).Err
	}
	return float32(x), nil
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

func skipSpace(b []byte, i int) int {
	for i < len(b) && isSpace(b[i]) {
		i++
	}
	return i
}
