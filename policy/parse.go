package policy

// ParseQuantity reads an amount of r as a person writes it: "2", "250m", "1.5Gi", "16GB",
// "unlimited"; a threshold as a fraction ("0.3"), a retention as a duration ("24h", "7d").
func ParseQuantity(r Resource, s string) (Quantity, error) { return Quantity{}, nil }

// Format writes q with its unit: "2 cores", "250m", "1.5Gi", "unlimited".
func (r Resource) Format(q Quantity) string { return q.String() }

// ParseChange reads {by: x2 | 50% | 2 | 1Gi, to: max | N, cap: N}; what is absent is "".
func ParseChange(r Resource, by, to, limit string) (Change, error) { return Change{}, nil }

// ParseInterval reads a half-open interval: "70..85", "< 70", ">= 85", "70..", "..70".
func ParseInterval(s string) (Interval, error) { return Interval{}, nil }

// String writes i as ParseInterval reads it.
func (i Interval) String() string { return "" }
