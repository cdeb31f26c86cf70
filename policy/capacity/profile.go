package capacity

import "fmt"

// A Profile is what kind of load it is: the share of writes and reads, and what that multiplies. The values are the guide's.
type Profile struct {
	Name   string  `json:"name"`
	Write  float64 `json:"write"`
	Read   float64 `json:"read"`
	Log    float64 `json:"wal_factor"`
	CPU    float64 `json:"cpu_factor"`
	Memory float64 `json:"memory_factor"`
}

// Profiles lists the guide's profiles.
func Profiles() []Profile {
	return []Profile{
		{"write-heavy", 0.8, 0.2, 1.5, 0.9, 1.2},
		{"read-heavy", 0.2, 0.8, 0.5, 1.3, 1},
		{"analytical", 0.1, 0.9, 0.3, 1.8, 1.5},
		{"mixed", 0.4, 0.6, 1, 1, 1},
	}
}

// ProfileNamed returns the profile of a name; that of no name is mixed.
func ProfileNamed(name string) (Profile, error) {
	if name == "" {
		name = "mixed"
	}
	for _, p := range Profiles() {
		if p.Name == name {
			return p, nil
		}
	}
	return Profile{}, fmt.Errorf("workload: %q is none of write-heavy, read-heavy, analytical, mixed", name)
}
