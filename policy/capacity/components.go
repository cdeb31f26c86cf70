package capacity

// Components is every constant of the second guide's parts: a vector store, PostgreSQL and Redis.
type Components struct {
	VectorValueBytes  Constant `json:"vector_value_bytes"`
	VectorFactor      Constant `json:"vector_factor"`
	PayloadFactor     Constant `json:"payload_factor"`
	VectorMemoryShare Constant `json:"vector_memory_share"`
	VectorNodes       Constant `json:"vector_nodes"`

	RowHeadBytes  Constant `json:"row_head_bytes"`
	TableFactor   Constant `json:"table_factor"`
	KeyHeadBytes  Constant `json:"key_head_bytes"`
	RedisMaxShare Constant `json:"redis_max_share"`

	Utilisation Constant `json:"cpu_utilisation"`
}

// DefaultComponents returns the constants that are used where nobody knows better.
func DefaultComponents() Components {
	is := func(value float64, unit, source string) Constant { return Constant{value, unit, source} }
	return Components{
		VectorValueBytes:  is(4, "bytes a dimension", "float32"),
		VectorFactor:      is(1.5, "times the vectors: with their index", "Qdrant's capacity planning"),
		PayloadFactor:     is(1.5, "times the payload: with its index", "as for the vectors; measure it where payload is indexed"),
		VectorMemoryShare: is(0.8, "of a node's memory for data", "room for queries and the optimiser"),
		VectorNodes:       is(3, "nodes at least", "a quorum that survives the loss of one"),
		RowHeadBytes:      is(28, "bytes a row beside its columns", "PostgreSQL: tuple header of 24 and line pointer of 4"),
		TableFactor:       is(1.3, "times tables and indexes", "dead rows until vacuum, and half-full pages"),
		KeyHeadBytes:      is(80, "bytes a key beside key and value", "Redis: entry of the table, object heads, allocator"),
		RedisMaxShare:     is(0.7, "of the memory limit for maxmemory", "the fork of a save copies what is written meanwhile"),
		Utilisation:       is(0.65, "of the cores busy on the mean", "the guide's steady state, 60 to 70 %"),
	}
}

// With returns c with another value for the constant of a name, and where that value comes from.
func (c Components) With(name string, value float64, source string) (Components, error) {
	err := replace(&c, name, value, source)
	return c, err
}

func (c Components) validate(k *checks) {
	for name, v := range constants(&c) {
		k.amount(name, v.Value)
	}
	for name, v := range map[string]Constant{
		"vector_memory_share": c.VectorMemoryShare, "redis_max_share": c.RedisMaxShare, "cpu_utilisation": c.Utilisation,
	} {
		if v.Value == 0 || v.Value > 1 {
			k.fault("%s: %v is not a share above 0 and up to 1", name, v.Value)
		}
	}
}

// wholes rounds several figures, and keeps the first that does not fit.
type wholes struct{ err error }

func (w *wholes) of(name string, v float64) int64 {
	n, err := whole(name, v)
	if err != nil && w.err == nil {
		w.err = err
	}
	return n
}
