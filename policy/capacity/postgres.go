package capacity

// Tables is what PostgreSQL has to hold.
type Tables struct {
	Rows        float64 `json:"rows"`
	ColumnBytes float64 `json:"column_bytes"` // a row
	IndexBytes  float64 `json:"index_bytes"`  // a row, all indexes together
	Copies      float64 `json:"copies"`       // the primary and its replicas; at least 1
}

// Database is what that takes on disk.
type Database struct {
	CopyBytes  int64 `json:"copy_bytes"`
	TotalBytes int64 `json:"total_bytes"`
}

// Database says what t takes.
func (c Components) Database(t Tables) (Database, error) {
	var k checks
	c.validate(&k)
	k.whole("rows", t.Rows)
	k.amount("column_bytes", t.ColumnBytes)
	k.amount("index_bytes", t.IndexBytes)
	k.positive("copies", t.Copies)
	k.whole("copies", t.Copies)
	if err := k.err(); err != nil {
		return Database{}, err
	}
	one := t.Rows * (c.RowHeadBytes.Value + t.ColumnBytes + t.IndexBytes) * c.TableFactor.Value
	var w wholes
	out := Database{CopyBytes: w.of("a copy of the database", one), TotalBytes: w.of("the database", one*t.Copies)}
	return out, w.err
}
