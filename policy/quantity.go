package policy

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// A Quantity is an amount of one resource in that resource's unit, or "unlimited", or unset: nobody
// ever chose one. The three are kept apart so that an undo restores exactly what was there. Of [CPUs]
// it is a set of processors instead of an amount. The zero Quantity is unset.
type Quantity struct {
	kind quantityKind
	n    int64
	set  string // in the kernel's list format: "0-3,8"
}

type quantityKind uint8

const (
	unset quantityKind = iota
	unlimited
	amount
	set
)

// Unlimited is the Quantity of a target that may use whatever the host has.
func Unlimited() Quantity { return Quantity{kind: unlimited} }

// Amount is the Quantity of n units.
func Amount(n int64) Quantity { return Quantity{kind: amount, n: n} }

// Amount returns the number of units, and false if q is unset or unlimited.
func (q Quantity) Amount() (int64, bool) { return q.n, q.kind == amount }

// Set is the Quantity of just these processors, in the kernel's list format with members ascending
// and ranges joined: "0-3,8".
func Set(list string) Quantity { return Quantity{kind: set, set: list} }

// Set returns the processors, and false if q is no set.
func (q Quantity) Set() (list string, ok bool) { return q.set, q.kind == set }

// IsUnset reports whether nobody chose an amount.
func (q Quantity) IsUnset() bool { return q.kind == unset }

// IsUnlimited reports whether q is explicitly without a limit.
func (q Quantity) IsUnlimited() bool { return q.kind == unlimited }

// String returns the bare form that MarshalJSON writes, for logs; [Resource.Format] adds the unit.
func (q Quantity) String() string {
	switch q.kind {
	case unlimited:
		return "unlimited"
	case amount:
		return strconv.FormatInt(q.n, 10)
	case set:
		return q.set
	}
	return "unset"
}

// MarshalJSON writes null, "unlimited", a number, or a set as a string.
func (q Quantity) MarshalJSON() ([]byte, error) {
	switch q.kind {
	case unlimited:
		return []byte(`"unlimited"`), nil
	case amount:
		return strconv.AppendInt(nil, q.n, 10), nil
	case set:
		return json.Marshal(q.set)
	}
	return []byte("null"), nil
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (q *Quantity) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case "null":
		*q = Quantity{}
		return nil
	case `"unlimited"`:
		*q = Unlimited()
		return nil
	}
	if len(b) > 0 && b[0] == '"' {
		var list string
		if err := json.Unmarshal(b, &list); err != nil {
			return fmt.Errorf("quantity %.40q: %w", b, err)
		}
		*q = Set(list)
		return nil
	}
	var n int64
	if err := json.Unmarshal(b, &n); err != nil {
		return fmt.Errorf("quantity %.40q: want null, \"unlimited\" or a whole number: %w", b, err)
	}
	*q = Amount(n)
	return nil
}

// A Size is an amount for each of some resources. A resource that is absent is not spoken of.
type Size map[Resource]Quantity
