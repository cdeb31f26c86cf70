package journal

import (
	"crypto/rand"
	"strings"
)

// NewID returns an id for a decision or an action: ten letters and digits, random, so that records of
// agents with different data_dirs never share one, and short enough to type.
func NewID() string { return strings.ToLower(rand.Text()[:10]) }
