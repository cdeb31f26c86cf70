package tier

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/node/record"
)

func sealed(ord record.Ord, content string) record.Value {
	m := record.Memory{ID: fmt.Sprint("m", ord), Content: content, CreatedAt: time.UnixMilli(1), Tags: []string{"a"}}
	v := record.Value(record.AppendValue(nil, &m, 0))
	v.Seal(ord, 5)
	return v
}

func phrase(r *rand.Rand) string {
	words := []string{"harbour", "lantern", "winter", "granite", "copper", "meadow", "signal", "orchard"}
	var b strings.Builder
	for range 5 + r.IntN(30) {
		b.WriteString(words[r.IntN(len(words))] + " ")
	}
	fmt.Fprint(&b, r.Uint32())
	return b.String()
}

func trained(t testing.TB, seed uint64, number int) dictionary {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 3))
	var samples [][]byte
	for range leastSamples {
		samples = append(samples, []byte(phrase(r)))
	}
	b, err := train(samples, number)
	if err != nil {
		t.Fatal(err)
	}
	return dictionary{trainedAt: leastSamples, bytes: b}
}

// TestEarlierDictionaries: what was compressed with any dictionary, or none, is read with all of them known.
func TestEarlierDictionaries(t *testing.T) {
	var c codec
	r := rand.New(rand.NewPCG(1, 1))
	type packed struct {
		plain, cold record.Value
		ord         record.Ord
	}
	var all []packed
	var list []dictionary
	var sizes [3]int
	for generation := range 3 {
		if generation > 0 {
			list = append(list, trained(t, uint64(generation), generation))
			if err := c.set(list); err != nil {
				t.Fatal(err)
			}
		}
		comp, err := c.compressor()
		if err != nil {
			t.Fatal(err)
		}
		for i := range 50 {
			content := []string{"", "x", strings.Repeat("y", record.MaxContentBytes), phrase(r)}[min(i, 3)]
			ord := record.Ord(len(all) + 1)
			v := sealed(ord, content)
			cold := comp.compress(ord, v)
			if cold.Codec() != record.Zstd || cold.Version() != 5 || int(cold.Dictionary()) != generation || cold.Check(ord) != nil {
				t.Fatalf("compressed: codec %d, version %d, dictionary %d, check %v", cold.Codec(), cold.Version(), cold.Dictionary(), cold.Check(ord))
			}
			if i >= 3 {
				sizes[generation] += len(cold.Payload())
			}
			all = append(all, packed{v, cold, ord})
		}
		comp.close()
		for _, p := range all {
			got, err := c.plain(p.cold, nil)
			if err != nil || !bytes.Equal(got, p.plain.Payload()) {
				t.Fatalf("generation %d, memory %d of dictionary %d: %v", generation, p.ord, p.cold.Dictionary(), err)
			}
		}
	}
	if sizes[1]*4 > sizes[0]*3 {
		t.Errorf("a dictionary hardly helps: %v bytes", sizes)
	}
	got, err := c.plain(all[0].plain, nil)
	if err != nil || !bytes.Equal(got, all[0].plain.Payload()) {
		t.Errorf("plain stays plain: %v", err)
	}
	var without codec
	if _, err := without.plain(all[len(all)-1].cold, nil); !errors.Is(err, record.ErrCorrupt) || !strings.Contains(err.Error(), "dictionary 2, and the space has 0") {
		t.Errorf("without its dictionary: %v", err)
	}
}

func TestDamagedFrames(t *testing.T) {
	var c codec
	if err := c.set([]dictionary{trained(t, 1, 1)}); err != nil {
		t.Fatal(err)
	}
	comp, err := c.compressor()
	if err != nil {
		t.Fatal(err)
	}
	defer comp.close()
	v := sealed(1, phrase(rand.New(rand.NewPCG(9, 9))))
	cold := comp.compress(1, v)
	frame := cold.Payload()
	for _, bad := range [][]byte{nil, frame[:len(frame)-1], append(bytes.Clone(frame), frame...), []byte("not zstd at all"), frame[:4]} {
		if _, err := c.plain(v.Recode(1, record.Zstd, 1, bad), nil); !errors.Is(err, record.ErrCorrupt) {
			t.Errorf("frame of %d bytes: %v", len(bad), err)
		}
	}
}

func FuzzPlain(f *testing.F) {
	var c codec
	if err := c.set([]dictionary{trained(f, 1, 1)}); err != nil {
		f.Fatal(err)
	}
	comp, err := c.compressor()
	if err != nil {
		f.Fatal(err)
	}
	v := sealed(1, phrase(rand.New(rand.NewPCG(9, 9))))
	f.Add(bytes.Clone(comp.compress(1, v).Payload()), uint32(1))
	f.Add([]byte{}, uint32(0))
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd, 0xff}, uint32(1<<31))
	f.Fuzz(func(t *testing.T, frame []byte, dictionary uint32) {
		got, err := c.plain(v.Recode(1, record.Zstd, dictionary, frame), make([]byte, 0, 100))
		if err == nil && len(got) != v.PlainLen() {
			t.Errorf("%d bytes instead of %d", len(got), v.PlainLen())
		}
		if err != nil && !errors.Is(err, record.ErrCorrupt) {
			t.Error(err)
		}
	})
}

// TestTrainingOfAnything: whatever people remember, training ends with a dictionary that works, or an error.
func TestTrainingOfAnything(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	noise := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	for name, sample := range map[string]func(i int) []byte{
		"nothing":      func(int) []byte { return nil },
		"short":        func(int) []byte { return []byte("abc") },
		"all the same": func(int) []byte { return bytes.Repeat([]byte("same "), 40) },
		"one letter":   func(i int) []byte { return bytes.Repeat([]byte("a"), i%300) },
		"noise":        func(int) []byte { return noise(200) },
		"large":        func(i int) []byte { return fmt.Appendf(nil, "%s %d", strings.Repeat("large text ", 350), i) },
		"one large":    func(i int) []byte { return noise(i / (leastSamples - 1) * sampleBytes) },
		"json":         func(i int) []byte { return fmt.Appendf(nil, `{"user":%d,"kind":"note","text":"%x"}`, i, noise(8)) },
	} {
		t.Run(name, func(t *testing.T) {
			var samples [][]byte
			for i := range leastSamples {
				samples = append(samples, sample(i))
			}
			b, err := train(samples, 7)
			if err != nil {
				if !errors.Is(err, errTraining) {
					t.Errorf("error %v", err)
				}
				t.Log(err)
				return
			}
			var c codec
			filler := dictionary{bytes: b}
			if err := c.set([]dictionary{filler}); err != nil {
				t.Fatal(err)
			}
			comp, err := c.compressor()
			if err != nil {
				t.Fatal(err)
			}
			defer comp.close()
			v := sealed(1, "any text: "+string(bytes.ToValidUTF8(sample(5), nil)))
			got, err := c.plain(comp.compress(1, v), nil)
			if err != nil || !bytes.Equal(got, v.Payload()) {
				t.Errorf("read back: %v", err)
			}
		})
	}
}

func TestDictionaryBytes(t *testing.T) {
	d := dictionary{trainedAt: 12345, bytes: []byte("dictionary")}
	got, err := unmarshalDictionary(d.marshal())
	if err != nil || got.trainedAt != d.trainedAt || !bytes.Equal(got.bytes, d.bytes) {
		t.Errorf("read back %+v: %v", got, err)
	}
	if _, err := unmarshalDictionary(make([]byte, 8)); !errors.Is(err, record.ErrCorrupt) {
		t.Errorf("no bytes: %v", err)
	}
}
