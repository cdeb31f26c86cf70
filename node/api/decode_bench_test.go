package api

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	jsonv2 "github.com/go-json-experiment/json"
)

// BenchmarkDecode is why bodies are not read by encoding/json.
func BenchmarkDecode(b *testing.B) {
	v := make(Vector, 768)
	for i := range v {
		v[i] = rand.Float32()*2 - 1
	}
	content := strings.Repeat("word ", 200)
	bodies := []struct{ name, text string }{
		{"edge", `{"from":"memory-123456","to":"memory-654321","weight":0.5}`},
		{"memory", fmt.Sprintf(`{"id":"memory-123456","content":%q,"tags":["a","b"]}`, content)},
		{"array", fmt.Sprintf(`{"content":%q,"vector":%s}`, content, v.appendArray(nil))},
		{"base64", fmt.Sprintf(`{"content":%q,"vector":%s}`, content, v.appendBase64(nil))},
	}
	for _, body := range bodies {
		text := []byte(body.text)
		b.Run(body.name+"/strict", func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				var l Line
				if err := jsonv2.Unmarshal(text, &l, strictly); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(body.name+"/encoding-json", func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				var l Line
				if err := json.Unmarshal(text, &l); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
