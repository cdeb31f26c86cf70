package api

// stripComments makes # and what follows it in a line spaces, outside of JSON strings: people write settings with comments.
// Positions stay what they were. b is changed.
func stripComments(b []byte) []byte {
	quoted, comment := false, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '\n':
			comment = false
		case comment:
			b[i] = ' '
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == '#' && !quoted:
			b[i], comment = ' ', true
		}
	}
	return b
}
