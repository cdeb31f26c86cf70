package journal

import (
	"encoding/json"
	"errors"
	"testing"
)

// FuzzDecode is internal: the decoder is not exported, and it is what meets broken files.
func FuzzDecode(f *testing.F) {
	good, err := encode([]byte("actions"), []byte("a"), map[string]int{"n": 1})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	for _, s := range []string{"", " ", "1", "1 ", "1 00000000 ", "1 00000000 {}", "2 00000000 {}", "99999999999999999999 0 {}", "-1 00000000 {}", "1 0x000000 null"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var v json.RawMessage
		err := decode([]byte("actions"), []byte("a"), raw, &v)
		if err == nil {
			again, err := encode([]byte("actions"), []byte("a"), v)
			if err != nil {
				t.Fatalf("what was decoded cannot be encoded: %v", err)
			}
			if err := decode([]byte("actions"), []byte("a"), again, &v); err != nil {
				t.Fatal(err)
			}
			return
		}
		if !errors.Is(err, errRecord) && !errors.Is(err, ErrNewer) {
			t.Fatalf("an error of no kind: %v", err)
		}
	})
}

func TestARecordBelongsToItsPlace(t *testing.T) {
	raw, err := encode([]byte("actions"), []byte("a"), 1)
	if err != nil {
		t.Fatal(err)
	}
	var n int
	for _, place := range [][2]string{{"actions", "b"}, {"decisions", "a"}, {"actio", "nsa"}} {
		if err := decode([]byte(place[0]), []byte(place[1]), raw, &n); !errors.Is(err, errRecord) {
			t.Errorf("taken in %v: %v", place, err)
		}
	}
}
