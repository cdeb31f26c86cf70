package record_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/node/record"
	"github.com/google/go-cmp/cmp"
)

func sample() record.Memory {
	return record.Memory{
		ID: "dog.n.01", Type: record.Semantic, Content: "a member of the genus Canis", Tags: []string{"noun", "animal"},
		Metadata: json.RawMessage(`{"a":[1,2]}`), Confidence: 0.75, Redirect: "hound",
		CreatedAt: time.UnixMilli(1000).UTC(), UpdatedAt: time.UnixMilli(2000).UTC(), ExpiresAt: time.UnixMilli(3000).UTC(),
	}
}

func TestValueRoundTrip(t *testing.T) {
	m := sample()
	v := record.Value(record.AppendValue([]byte("before"), &m, 0))[len("before"):]
	v.Seal(7, 42)
	if err := v.Check(7); err != nil {
		t.Fatal(err)
	}
	var got record.Memory
	if err := v.Decode(&got, v.Payload()); err != nil {
		t.Fatal(err)
	}
	m.Version = 42
	if diff := cmp.Diff(m, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	packed := v.Recode(7, record.Zstd, 3, []byte("zzz"))
	if err := packed.Check(7); err != nil {
		t.Error(err)
	}
	if string(packed.ID()) != m.ID || packed.Version() != 42 || packed.Dictionary() != 3 || packed.PlainLen() != v.PlainLen() {
		t.Errorf("recoding changed more than the payload")
	}
	if err := packed.Decode(&got, v.Payload()); err != nil {
		t.Error(err)
	}
}

// TestTimesRoundTrip: the moment 0 of Unix, which many take for an unknown one, is a time like others.
func TestTimesRoundTrip(t *testing.T) {
	for _, at := range []time.Time{
		{}, time.UnixMilli(0).UTC(), time.UnixMilli(-1).UTC(), time.UnixMilli(1).UTC(),
		time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC),
	} {
		m := sample()
		m.CreatedAt, m.UpdatedAt, m.ExpiresAt = at, at, at
		v := record.Value(record.AppendValue(nil, &m, 0))
		if !v.CreatedAt().Equal(at) || !v.UpdatedAt().Equal(at) || !v.ExpiresAt().Equal(at) {
			t.Errorf("%v came back as %v, %v, %v", at, v.CreatedAt(), v.UpdatedAt(), v.ExpiresAt())
		}
	}
}

func TestEveryFlippedBitOfAValueShows(t *testing.T) {
	m := sample()
	v := record.Value(record.AppendValue(nil, &m, 5))
	v.Seal(7, 42)
	for bit := range len(v) * 8 {
		b := slices.Clone(v)
		b[bit/8] ^= 1 << (bit % 8)
		if err := b.Check(7); !errors.Is(err, record.ErrCorrupt) {
			t.Fatalf("bit %d: %v", bit, err)
		}
	}
	if err := v.Check(8); !errors.Is(err, record.ErrCorrupt) {
		t.Errorf("under another key: %v", err)
	}
}

func TestOpsRoundTrip(t *testing.T) {
	m := sample()
	m.Vector = []float32{1, -2.5, 0}
	v := record.Value(record.AppendValue(nil, &m, 0))
	v.Seal(9, 100)
	if v.VectorVersion() != 100 {
		t.Errorf("vector version %d; want that of the write", v.VectorVersion())
	}
	ops := []record.Op{
		{Kind: record.Put, Space: 1, Ord: 9, Value: v, Vector: m.Vector},
		{Kind: record.Delete, Space: 2, Ord: 9},
		{Kind: record.Link, Space: 1, Ord: 9, To: 10, Weight: -20000},
		{Kind: record.Unlink, Space: 1, Ord: 9, To: 10},
		{Kind: record.Strengthen, Space: 1, Ord: 9, To: 10, Weight: 1},
		{Kind: record.Touch, Space: 1, Ord: 9, Access: record.Access{Activation: 0.5, Count: 3, LastAt: time.UnixMilli(9).UTC()}},
		{Kind: record.Free, Space: 1, Ord: 9},
	}
	var b []byte
	for i := range ops {
		if err := ops[i].Check(); err != nil {
			t.Fatal(err)
		}
		b = record.AppendOp(b, &ops[i])
	}
	for _, want := range ops {
		got, rest, err := record.NextOp(b)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		b = rest
	}
	if len(b) > 0 {
		t.Errorf("%d bytes left", len(b))
	}
}

func TestLimits(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*record.Memory)
		field string
	}{
		{"fine", func(m *record.Memory) {}, ""},
		{"largest content", func(m *record.Memory) { m.Content = strings.Repeat("x", record.MaxContentBytes) }, ""},
		{"content", func(m *record.Memory) { m.Content = strings.Repeat("x", record.MaxContentBytes+1) }, "content"},
		{"content that is not text", func(m *record.Memory) { m.Content = "\xff" }, "content"},
		{"no id", func(m *record.Memory) { m.ID = "" }, "id"},
		{"a path", func(m *record.Memory) { m.ID = "../x" }, "id"},
		{"dots", func(m *record.Memory) { m.ID = ".." }, "id"},
		{"a word of the API", func(m *record.Memory) { m.ID = "recall" }, "id"},
		{"a space in the id", func(m *record.Memory) { m.ID = "a b" }, "id"},
		{"long id", func(m *record.Memory) { m.ID = strings.Repeat("x", 129) }, "id"},
		{"confidence", func(m *record.Memory) { m.Confidence = float32(math.NaN()) }, "confidence"},
		{"confidence above one", func(m *record.Memory) { m.Confidence = 1.5 }, "confidence"},
		{"tags", func(m *record.Memory) { m.Tags = make([]string, 65) }, "tags"},
		{"an empty tag", func(m *record.Memory) { m.Tags = []string{""} }, "tags"},
		{"dimension", func(m *record.Memory) { m.Vector = make([]float32, 2) }, "vector"},
		{"NaN", func(m *record.Memory) { m.Vector = []float32{1, 2, float32(math.NaN())} }, "vector"},
		{"infinity", func(m *record.Memory) { m.Vector = []float32{1, 2, float32(math.Inf(-1))} }, "vector"},
		{"metadata", func(m *record.Memory) { m.Metadata = []byte(`[1]`) }, "metadata"},
		{"half metadata", func(m *record.Memory) { m.Metadata = []byte(`{"a"`) }, "metadata"},
		{"redirect", func(m *record.Memory) { m.Redirect = "a/b" }, "id"},
		{"the last second", func(m *record.Memory) { m.ExpiresAt = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC) }, ""},
		{"no times", func(m *record.Memory) { m.CreatedAt, m.UpdatedAt, m.ExpiresAt = time.Time{}, time.Time{}, time.Time{} }, ""},
		{"year 10000 in UTC", func(m *record.Memory) {
			m.CreatedAt = time.Date(9999, 12, 31, 23, 59, 59, 0, time.FixedZone("", -3600))
		}, "created_at"},
		{"year -1 in UTC", func(m *record.Memory) { m.UpdatedAt = time.Date(0, 1, 1, 0, 0, 0, 0, time.FixedZone("", 3600)) }, "updated_at"},
		{"never, told as a time", func(m *record.Memory) { m.ExpiresAt = time.Unix(1<<40, 0) }, "expires_at"},
		{"an access in the year 10000", func(m *record.Memory) { m.Access.LastAt = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC) }, "last_at"},
	} {
		m := sample()
		c.spoil(&m)
		err := m.Check(3)
		if invalid, ok := errors.AsType[*record.InvalidError](err); c.field == "" && err != nil || c.field != "" && (!ok || invalid.Field != c.field) {
			t.Errorf("%s: %v; want a fault of %q", c.name, err, c.field)
		}
	}
}

func TestWeights(t *testing.T) {
	for w, want := range map[float64]record.Weight{1: 20000, 0.5: 10000, 0.0001: 2, 1e-9: 1} {
		got, err := record.NewWeight(w, false)
		if err != nil || got != want {
			t.Errorf("%v: %d, %v; want %d", w, got, err, want)
		}
		if inhibitory, _ := record.NewWeight(w, true); inhibitory != -want || !inhibitory.Inhibitory() || inhibitory.Float64() != got.Float64() {
			t.Errorf("inhibitory %v: %d", w, inhibitory)
		}
	}
	for _, w := range []float64{0, -1, 1.0001, math.NaN(), math.Inf(1)} {
		if _, err := record.NewWeight(w, false); !errors.Is(err, record.ErrInvalid) {
			t.Errorf("%v: %v; want invalid", w, err)
		}
	}
}

func TestIDsAscend(t *testing.T) {
	last := ""
	for range 10000 {
		id := record.NewID()
		if id <= last {
			t.Fatalf("%s after %s", id, last)
		}
		u, ok := record.PackUUID(id)
		if !ok || record.FormatUUID(u) != id || id[14] != '7' || !strings.Contains("89ab", id[19:20]) {
			t.Fatalf("%s is not a UUIDv7", id)
		}
		last = id
	}
	for _, s := range []string{"", strings.ToUpper(last), strings.ReplaceAll(last, "-", "x"), last + "0"} {
		if _, ok := record.PackUUID(s); ok && s != last {
			t.Errorf("%q was packed", s)
		}
	}
}

func FuzzNextOp(f *testing.F) {
	m := sample()
	m.Vector = []float32{1}
	v := record.Value(record.AppendValue(nil, &m, 0))
	v.Seal(9, 100)
	b := record.AppendOp(nil, &record.Op{Kind: record.Put, Space: 1, Ord: 9, Value: v, Vector: m.Vector})
	f.Add(record.AppendOp(b, &record.Op{Kind: record.Link, Space: 1, Ord: 9, To: 10, Weight: 5}))
	f.Add(record.AppendOp(nil, &record.Op{Kind: record.Touch, Space: 1, Ord: 9}))
	f.Fuzz(func(t *testing.T, b []byte) {
		op, rest, err := record.NextOp(b)
		if err != nil {
			return
		}
		if again := record.AppendOp(nil, &op); !bytes.Equal(again, b[:len(b)-len(rest)]) {
			t.Errorf("%x was read as %x", b[:len(b)-len(rest)], again)
		}
	})
}

func FuzzDecode(f *testing.F) {
	m := sample()
	v := record.Value(record.AppendValue(nil, &m, 0))
	v.Seal(1, 1)
	f.Add([]byte(v), []byte(v.Payload()))
	f.Fuzz(func(t *testing.T, b, payload []byte) {
		v := record.Value(b)
		_ = v.Check(1)
		var m record.Memory
		if v.Decode(&m, payload) == nil && len(m.Content) > record.MaxContentBytes {
			t.Error("content beyond the limit")
		}
		if id, ok := v.SalvageID(); ok && record.CheckID(id) != nil {
			t.Error("salvaged what is no id")
		}
	})
}
