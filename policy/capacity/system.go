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
