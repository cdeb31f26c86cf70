package tier

import "fmt"

// A Tier is where a memory is.
type Tier uint8

// The tiers. Zero is no memory.
const (
	none Tier = iota
	Hot
	Warm
	Cold
	tiers = iota
)

// All lists the tiers.
var All = [...]Tier{Hot, Warm, Cold}

// String returns the tier's name.
func (t Tier) String() string {
	switch t {
	case Hot:
		return "hot"
	case Warm:
		return "warm"
	case Cold:
		return "cold"
	}
	return "none"
}

// Parse reads the name of a tier.
func Parse(s string) (Tier, error) {
	for _, t := range All {
		if t.String() == s {
			return t, nil
		}
	}
	return none, fmt.Errorf("tier %q is neither hot, warm nor cold", s)
}

// MarshalText makes a tier its name in JSON.
func (t Tier) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (t *Tier) UnmarshalText(b []byte) error {
	p, err := Parse(string(b))
	*t = p
	return err
}
