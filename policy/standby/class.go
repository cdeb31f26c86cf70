package standby

import (
	"fmt"
	"time"
)

// A Class is how ready a standby is.
type Class string

// The classes of the guide.
const (
	Cold Class = "cold"
	Warm Class = "warm"
	Hot  Class = "hot"
)

// Classes lists them, the cheapest first.
func Classes() []Class { return []Class{Cold, Warm, Hot} }

// A Span is from one amount to another.
type Span struct {
	From float64 `json:"from"`
	To   float64 `json:"to"`
}

// A Rule is what the guide says of a class. A share of production is absent (nil) where the guide gives an amount instead.
type Rule struct {
	Class        Class
	MilliCPU     int64 // a fixed amount, where CPUShare is nil
	MemoryBytes  int64 // a fixed amount, where MemoryShare is nil
	CPUShare     *float64
	MemoryShare  *float64
	StorageShare float64
	RTOAtLeast   time.Duration
	RTOAtMost    time.Duration
	Cost         Span // per cent of production's
}

// RuleOf returns the guide's rule for c.
func RuleOf(c Class) (Rule, error) {
	const storage = 1.5 // all data, and the log
	switch c {
	case Cold:
		return Rule{Class: c, MilliCPU: 2000, MemoryBytes: 4e9, StorageShare: storage, RTOAtLeast: time.Hour, RTOAtMost: 4 * time.Hour, Cost: Span{10, 20}}, nil
	case Warm:
		return Rule{
			Class: c, CPUShare: new(0.5), MemoryShare: new(0.75), StorageShare: storage,
			RTOAtLeast: 5 * time.Minute, RTOAtMost: 30 * time.Minute, Cost: Span{40, 60},
		}, nil
	case Hot:
		return Rule{Class: c, CPUShare: new(1.0), MemoryShare: new(1.0), StorageShare: storage, RTOAtMost: 5 * time.Minute, Cost: Span{100, 120}}, nil
	}
	return Rule{}, fmt.Errorf("class %q is none of cold, warm, hot", c)
}

// For returns the cheapest class that has recovered within d for certain.
func For(d time.Duration) (Class, error) {
	for _, c := range Classes() {
		if r, _ := RuleOf(c); r.RTOAtMost <= d {
			return c, nil
		}
	}
	return "", fmt.Errorf("no class recovers within %s for certain: hot takes up to 5m", d)
}
