package capacity

// Keys is what Redis has to hold.
type Keys struct {
	Count      float64 `json:"count"`
	KeyBytes   float64 `json:"key_bytes"`
	ValueBytes float64 `json:"value_bytes"`
	Replicas   float64 `json:"replicas"` // of each primary
	Primaries  float64 `json:"primaries"`
}

// Cache is what that takes in memory.
type Cache struct {
	TotalBytes int64 `json:"total_bytes"` // on all primaries and replicas
	// MaxMemory is that of one server, and Limit what its container needs for it.
	MaxMemory int64 `json:"maxmemory_bytes"`
	Limit     int64 `json:"limit_bytes"`
	Servers   int64 `json:"servers"`
}

// Cache says what s takes.
func (c Components) Cache(s Keys) (Cache, error) {
	var k checks
	c.validate(&k)
	k.whole("count", s.Count)
	k.amount("key_bytes", s.KeyBytes)
	k.amount("value_bytes", s.ValueBytes)
	k.whole("replicas", s.Replicas)
	k.positive("primaries", s.Primaries)
	k.whole("primaries", s.Primaries)
	if err := k.err(); err != nil {
		return Cache{}, err
	}
	one := s.Count * (c.KeyHeadBytes.Value + s.KeyBytes + s.ValueBytes)
	each := one / s.Primaries
	var w wholes
	out := Cache{
		TotalBytes: w.of("the cache", one*(1+s.Replicas)), MaxMemory: w.of("maxmemory", each),
		Limit: w.of("the cache's limit", each/c.RedisMaxShare.Value), Servers: w.of("servers", s.Primaries*(1+s.Replicas)),
	}
	return out, w.err
}
