package capacity

// Load is what the second guide's estimate_resources should have asked for.
type Load struct {
	MemoriesPerDay float64 `json:"memories_per_day"`
	KeptDays       float64 `json:"kept_days"`
	Queries        float64 `json:"queries_per_second"` // at the peak: users × queries each
	QuerySeconds   float64 `json:"seconds_per_query"`  // of a core
	Writes         float64 `json:"writes_per_second"`  // at the peak
	WriteSeconds   float64 `json:"seconds_per_write"`  // of a core
}

// Demand is what a load comes to.
type Demand struct {
	Memories int64   `json:"memories"` // after KeptDays
	Busy     float64 `json:"busy_cores"`
	Cores    float64 `json:"cores"` // at the utilisation that is aimed at
}

// Demand says what l comes to.
func (c Components) Demand(l Load) (Demand, error) {
	var k checks
	c.validate(&k)
	k.amount("memories_per_day", l.MemoriesPerDay)
	k.amount("kept_days", l.KeptDays)
	k.amount("queries_per_second", l.Queries)
	k.amount("seconds_per_query", l.QuerySeconds)
	k.amount("writes_per_second", l.Writes)
	k.amount("seconds_per_write", l.WriteSeconds)
	if err := k.err(); err != nil {
		return Demand{}, err
	}
	busy := l.Queries*l.QuerySeconds + l.Writes*l.WriteSeconds
	cores := busy / c.Utilisation.Value
	var w wholes
	out := Demand{Memories: w.of("memories", l.MemoriesPerDay*l.KeptDays), Busy: busy, Cores: cores}
	w.of("cores", cores)
	return out, w.err
}

// A Fault is something that a guide has wrong, and what is done instead.
type Fault struct {
	Says    string `json:"says"`
	Instead string `json:"instead"`
}

// SecondGuideFaults lists what the second guide's estimate has wrong.
func SecondGuideFaults() []Fault {
	return []Fault{
		{"memory uses vector_dim, which is not defined", "the dimension that is given"},
		{"memory divides by 1024 × 1024 and calls it GB", "bytes, told in the unit that is meant"},
		{"memory counts one day of memories", "all that are kept: a day's times the days"},
		{"memory has neither index, payload nor copies", "vectors and payload × 1.5, times the copies"},
		{"cpu is two cores for every 1,000 memories a day, 86 seconds apart", "seconds of a core for each query and write, by the utilisation aimed at"},
		{"cpu ignores the users", "queries a second"},
		{"storage is 0.1 GB a memory, whatever it holds", "rows, indexes, vectors and payload, each by its size"},
		{"4 shards on 3 nodes: one node has two", "shards are a multiple of the nodes"},
	}
}
