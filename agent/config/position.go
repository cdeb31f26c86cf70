package config

import "fmt"

// A Position is a place in a file; lines and columns count from 1, and 0 is not known.
type Position struct {
	File         string
	Line, Column int
}

// String writes file:line:column, as far as it is known.
func (p Position) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}
