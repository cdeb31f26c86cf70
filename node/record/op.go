package record

import (
	"encoding/binary"
	"math"
	"time"
)

// Kind says what an Op changes.
type Kind uint8

// The kinds of ops.
const (
	// Put sets the value of Ord, and its vector if the value says that this write set it.
	Put Kind = iota + 1
	// Delete removes Ord. Its edges die with it: whoever reads edges ignores dead ends.
	Delete
	// Link sets the weight of the edge from Ord to To.
	Link
	// Unlink removes the edge from Ord to To, if it is there.
	Unlink
	// Strengthen sets the weight of the edge from Ord to To, if it is there. It never makes one.
	Strengthen
	// Touch sets the access of Ord.
	Touch
	// Free gives Ord, which was deleted, back for use: no edge leads to or from it any more.
	Free
)

// An Op is one change of one space, in its place in the log.
type Op struct {
	Kind   Kind
	Space  SpaceID
	Ord    Ord
	LSN    uint64 // not in the bytes: the place in the log says it
	To     Ord
	Weight Weight
	Access Access
	Value  Value     // of a Put
	Vector []float32 // of a Put; shared with nothing
}

// opHeader is kind, three zero bytes, space, ordinal, length of the rest.
const opHeader = 16

// AppendOp appends the bytes of op to dst.
func AppendOp(dst []byte, op *Op) []byte {
	start := len(dst)
	dst = append(dst, byte(op.Kind), 0, 0, 0)
	le := binary.LittleEndian
	dst = le.AppendUint32(dst, uint32(op.Space))
	dst = le.AppendUint32(dst, uint32(op.Ord))
	dst = append(dst, 0, 0, 0, 0)
	switch op.Kind {
	case Put:
		dst = le.AppendUint32(dst, uint32(len(op.Value)))
		dst = append(dst, op.Value...)
		for _, x := range op.Vector {
			dst = le.AppendUint32(dst, math.Float32bits(x))
		}
	case Link, Unlink, Strengthen:
		dst = le.AppendUint32(dst, uint32(op.To))
		dst = le.AppendUint16(dst, uint16(op.Weight))
	case Touch:
		dst = AppendAccess(dst, op.Access)
	}
	le.PutUint32(dst[start+12:], uint32(len(dst)-start-opHeader))
	return dst
}

// NextOp reads the op at the beginning of b and returns what follows it. The op's value shares memory
// with b.
func NextOp(b []byte) (op Op, rest []byte, err error) {
	if len(b) < opHeader {
		return op, nil, corrupt("op: %d bytes", len(b))
	}
	le := binary.LittleEndian
	op.Kind, op.Space, op.Ord = Kind(b[0]), SpaceID(le.Uint32(b[4:])), Ord(le.Uint32(b[8:]))
	n := int(le.Uint32(b[12:]))
	if n > len(b)-opHeader {
		return op, nil, corrupt("op: %d bytes announced, %d there", n, len(b)-opHeader)
	}
	body, rest := b[opHeader:opHeader+n:opHeader+n], b[opHeader+n:]
	if b[1]|b[2]|b[3] != 0 {
		return op, nil, corrupt("op: bytes that are always zero are not")
	}
	if err := op.read(body); err != nil {
		return op, nil, err
	}
	return op, rest, op.Check()
}

// Check tells whether op may be in the log. What does not pass must never be written: nothing could read it again.
func (op *Op) Check() error {
	if op.Ord == 0 || op.Ord > MaxOrd {
		return corrupt("op: ordinal %d", op.Ord)
	}
	switch op.Kind {
	case Put:
		if err := op.Value.checkShape(); err != nil {
			return err
		}
		if (len(op.Vector) > 0) != (op.Value[3]&flagVectorNow != 0) || len(op.Vector) > MaxDimension {
			return corrupt("op: the value and the vector contradict one another")
		}
	case Link, Unlink, Strengthen:
		if op.To == 0 || op.To > MaxOrd || op.To == op.Ord {
			return corrupt("op: edge from %d to %d", op.Ord, op.To)
		}
		if op.Kind == Unlink && op.Weight != 0 || op.Kind != Unlink && !op.Weight.Valid() {
			return corrupt("op: weight %d", op.Weight)
		}
	case Touch:
		if x := float64(op.Access.Activation); math.IsNaN(x) || x < 0 || x > 1 {
			return corrupt("op: activation %v", x)
		}
	}
	return nil
}

func (op *Op) read(body []byte) error {
	le := binary.LittleEndian
	switch op.Kind {
	case Put:
		return op.readPut(body)
	case Link, Unlink, Strengthen:
		if len(body) != 6 {
			return corrupt("op: edge of %d bytes", len(body))
		}
		op.To, op.Weight = Ord(le.Uint32(body)), Weight(le.Uint16(body[4:]))
	case Touch:
		a, err := ReadAccess(body)
		if err != nil {
			return err
		}
		op.Access = a
	case Delete, Free:
		if len(body) != 0 {
			return corrupt("op: %d bytes too many", len(body))
		}
	default:
		return corrupt("op: kind %d", op.Kind)
	}
	return nil
}

func (op *Op) readPut(body []byte) error {
	if len(body) < 4 {
		return corrupt("op: put of %d bytes", len(body))
	}
	n := int(binary.LittleEndian.Uint32(body))
	body = body[4:]
	if n > len(body) || (len(body)-n)%4 != 0 || len(body)-n > 4*MaxDimension {
		return corrupt("op: value of %d bytes in %d", n, len(body))
	}
	op.Value = Value(body[:n:n])
	if err := op.Value.Check(op.Ord); err != nil {
		return err
	}
	op.Vector = readVector(body[n:])
	return nil
}

func readVector(b []byte) []float32 {
	if len(b) == 0 {
		return nil
	}
	v := make([]float32, len(b)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return v
}

// AccessBytes is the length of the bytes of an [Access].
const AccessBytes = 16

// AppendAccess appends the bytes of a to dst.
func AppendAccess(dst []byte, a Access) []byte {
	le := binary.LittleEndian
	dst = le.AppendUint64(dst, millis(a.LastAt))
	dst = le.AppendUint32(dst, math.Float32bits(a.Activation))
	return le.AppendUint32(dst, a.Count)
}

// ReadAccess reads what AppendAccess wrote.
func ReadAccess(b []byte) (Access, error) {
	if len(b) != AccessBytes {
		return Access{}, corrupt("access: %d bytes", len(b))
	}
	le := binary.LittleEndian
	a := Access{
		LastAt:     fromMillis(le.Uint64(b)),
		Activation: math.Float32frombits(le.Uint32(b[8:])),
		Count:      le.Uint32(b[12:]),
	}
	if x := float64(a.Activation); math.IsNaN(x) || x < 0 || x > 1 {
		return Access{}, corrupt("access: activation %v", x)
	}
	return a, nil
}

// Age returns how long before now the last access was, never negative.
func (a Access) Age(now time.Time) time.Duration { return max(0, now.Sub(a.LastAt)) }
