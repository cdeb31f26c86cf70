package load

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
)

// A Result is one row: what was measured, and the bound that it has.
type Result struct {
	Name    string  `json:"name"` // bench/size/what
	Value   float64 `json:"value"`
	Unit    string  `json:"unit"`
	Bound   Bound   `json:"bound,omitzero"`
	RatioTo string  `json:"ratio_to,omitempty"` // what a value of the unit "ratio" is compared with
}

// Met tells whether the bound holds; a row without a bound has nothing to meet.
func (r Result) Met() bool { return r.Bound.Holds(r.Value) }

// A Bound is what a value should be at most or at least.
type Bound struct {
	Word  string // "<", "<=", ">="; empty: there is no bound
	Value float64
}

func below(v float64) Bound   { return Bound{"<", v} }
func atMost(v float64) Bound  { return Bound{"<=", v} }
func atLeast(v float64) Bound { return Bound{">=", v} }

// Holds tells whether v is within b.
func (b Bound) Holds(v float64) bool {
	switch b.Word {
	case "<":
		return v < b.Value
	case "<=":
		return v <= b.Value
	case ">=":
		return v >= b.Value
	}
	return b.Word == "" && !math.IsNaN(v)
}

// String returns the bound as people write it: ">= 0.8".
func (b Bound) String() string {
	if b.Word == "" {
		return ""
	}
	return b.Word + " " + strconv.FormatFloat(b.Value, 'f', -1, 64)
}

// MarshalText writes what String returns.
func (b Bound) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (b *Bound) UnmarshalText(text []byte) error {
	*b = Bound{}
	if len(text) == 0 {
		return nil
	}
	word, number, _ := strings.Cut(string(text), " ")
	value, err := strconv.ParseFloat(number, 64)
	if err != nil || word != "<" && word != "<=" && word != ">=" {
		return fmt.Errorf("%q is no bound; one looks like \">= 0.8\"", text)
	}
	*b = Bound{word, value}
	return nil
}

// A Printer writes results as they come.
type Printer interface {
	Print(Result) error
	Flush() error
}

// JSON returns a printer of one JSON object a line.
func JSON(w io.Writer) Printer {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false) // bounds read ">= 0.8"
	return jsonPrinter{enc}
}

type jsonPrinter struct{ enc *json.Encoder }

func (p jsonPrinter) Print(r Result) error { return p.enc.Encode(r) }
func (p jsonPrinter) Flush() error         { return nil }

// Table returns a printer for people: a line a result, which says whether it is within its bound.
func Table(w io.Writer) Printer { return tablePrinter{tabwriter.NewWriter(w, 44, 4, 2, ' ', 0)} }

type tablePrinter struct{ w *tabwriter.Writer }

func (p tablePrinter) Print(r Result) error {
	unit := r.Unit
	if r.RatioTo != "" {
		unit = "x " + r.RatioTo
	}
	mark := ""
	switch {
	case r.Bound.Word == "":
	case r.Met():
		mark = "met (" + r.Bound.String() + ")"
	default:
		mark = "NOT MET (" + r.Bound.String() + ")"
	}
	fmt.Fprintf(p.w, "%s\t%s %s\t%s\n", r.Name, strconv.FormatFloat(r.Value, 'g', 4, 64), unit, mark)
	return p.w.Flush() // measuring takes long: whoever waits wants to see each line when it is there
}

func (p tablePrinter) Flush() error { return p.w.Flush() }
