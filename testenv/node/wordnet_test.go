package node_test

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/node"
	"github.com/engramd/engramd/testenv/wordnet"
)

// weights are how strongly a pointer of WordNet leads on, by its kind; negative is inhibitory.
var weights = map[string]float64{
	"@": 0.8, "@i": 0.8, // hypernym: what it is
	"~": 0.6, "~i": 0.6, // hyponym: what kinds there are
	"#m": 0.5, "#s": 0.5, "#p": 0.5, // what it is a part of
	"%m": 0.5, "%s": 0.5, "%p": 0.5, // what its parts are
	"&": 0.7, "$": 0.7, // alike
	"+": 0.5, "\\": 0.5, "<": 0.5, // derived
	"=": 0.4, "^": 0.4, "*": 0.5, ">": 0.5,
	";c": 0.2, ";r": 0.2, ";u": 0.2, // the field that it is of
	"-c": 0.1, "-r": 0.1, "-u": 0.1, // what else is of the field
	"!": -0.5, // antonym
}

// wordnetLines are all synsets and then all pointers, a line each.
func wordnetLines(t *testing.T, synsets []wordnet.Synset) (lines *bytes.Buffer, edges int) {
	t.Helper()
	lines = new(bytes.Buffer)
	enc := json.NewEncoder(lines)
	for _, s := range synsets {
		tags := slices.Compact(slices.Sorted(slices.Values(s.Lemmas)))
		if err := enc.Encode(map[string]any{"id": s.ID, "content": s.Gloss, "type": "semantic", "tags": tags[:min(64, len(tags))]}); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range synsets {
		strongest := map[string]float64{} // two synsets may point to each other in several ways
		for _, p := range s.Pointers {
			w, ok := weights[p.Symbol]
			if !ok {
				t.Fatalf("pointers %q have no weight", p.Symbol)
			}
			if p.To != s.ID && math.Abs(w) > math.Abs(strongest[p.To]) {
				strongest[p.To] = w
			}
		}
		for _, p := range s.Pointers {
			w, ok := strongest[p.To]
			if !ok {
				continue
			}
			delete(strongest, p.To)
			edge := map[string]any{"from": s.ID, "to": p.To, "weight": math.Abs(w)}
			if w < 0 {
				edge["kind"] = "inhibitory"
			}
			if err := enc.Encode(edge); err != nil {
				t.Fatal(err)
			}
			edges++
		}
	}
	return lines, edges
}

// withWordNet is a node that knows WordNet.
func withWordNet(t *testing.T) (*node.Node, []wordnet.Synset) {
	t.Helper()
	testenv.Need(t, "node")
	synsets, err := wordnet.Read(testenv.File(t, wordnet.Dir, "wordnet-base"))
	if err != nil {
		t.Fatal(err)
	}
	if len(synsets) != 117_659 {
		t.Errorf("WordNet 3.0 has 117,659 synsets, here are %d", len(synsets))
	}
	n := node.Start(t)
	lines, edges := wordnetLines(t, synsets)
	got := n.Import(t, lines)
	if !got.Done || got.Memories != len(synsets) || got.Edges != edges || got.Failed > 0 {
		t.Fatalf("imported %+v (%+v), want %d synsets and %d pointers", got, got.Problem, len(synsets), edges)
	}
	return n, synsets
}

// A spreading is what a spread answers.
type spreading struct {
	Hits []struct {
		ID         string
		Activation float64
		Path       []string
	}
	Reached int
}

func (s spreading) words() []string {
	var words []string
	for _, h := range s.Hits {
		word, _, _ := strings.Cut(h.ID, ".")
		words = append(words, word)
	}
	return words
}

// related are the synsets that come from one another upwards or downwards.
func related(synsets []wordnet.Synset, id string) map[string]bool {
	up, down := map[string][]string{}, map[string][]string{}
	for _, s := range synsets {
		for _, p := range s.Pointers {
			switch p.Symbol {
			case "@", "@i":
				up[s.ID] = append(up[s.ID], p.To)
			case "~", "~i":
				down[s.ID] = append(down[s.ID], p.To)
			}
		}
	}
	all := map[string]bool{}
	var follow func(id string, next map[string][]string)
	follow = func(id string, next map[string][]string) {
		all[id] = true
		for _, to := range next[id] {
			follow(to, next)
		}
	}
	follow(id, up)
	for _, kind := range append(up[id], id) {
		follow(kind, down)
	}
	return all
}

func TestE2EDogLeadsToWhatAPersonExpects(t *testing.T) {
	n, synsets := withWordNet(t)
	const dog = "dog.n.02084071"
	var got spreading
	n.Post(t, "/api/v1/spread", map[string]any{"seeds": []string{dog}, "limit": 40, "fan_out": 32, "without_seeds": true}, &got)
	words := got.words()
	t.Logf("from dog: %v", words)
	for _, word := range []string{"canine", "domestic_animal", "carnivore", "puppy", "hunting_dog", "corgi", "poodle", "dalmatian", "wolf", "fox", "canis"} {
		if !slices.Contains(words, word) {
			t.Errorf("%s is not among what dog leads to", word)
		}
	}
	kin := related(synsets, dog)
	for _, id := range []string{"canidae.n.02083038", "carnivora.n.02074915", "pup.n.01322343"} { // families of canines, and young ones
		kin[id] = true
	}
	for _, h := range got.Hits {
		first := len(h.Path) == 2 // WordNet says so itself
		if !first && !kin[h.ID] {
			t.Errorf("%s is no kin of a dog, and came by %v", h.ID, h.Path)
		}
	}
	if strongest := words[:2]; !slices.Contains(strongest, "canine") || !slices.Contains(strongest, "domestic_animal") {
		t.Errorf("a dog is a canine and a domestic animal first of all, not %v", strongest)
	}
}

func TestE2EHotKeepsColdDown(t *testing.T) {
	n, synsets := withWordNet(t)
	i := slices.IndexFunc(synsets, func(s wordnet.Synset) bool {
		return s.Lemmas[0] == "hot" && strings.HasPrefix(s.Gloss, "used of physical heat")
	})
	if i < 0 {
		t.Fatal("hot is not there")
	}
	hot := synsets[i]
	k := slices.IndexFunc(hot.Pointers, func(p wordnet.Pointer) bool { return p.Symbol == "!" })
	if k < 0 {
		t.Fatal("hot has no antonym")
	}
	cold := hot.Pointers[k].To
	var got spreading
	n.Post(t, "/api/v1/spread", map[string]any{"seeds": []string{hot.ID}, "limit": 1000, "fan_out": 64}, &got)
	t.Logf("from hot: %v", got.words()[:min(20, len(got.Hits))])
	activation := map[string]float64{}
	for _, h := range got.Hits {
		word, _, _ := strings.Cut(h.ID, ".")
		activation[word] = max(activation[word], h.Activation)
		if h.ID == cold && slices.Equal(h.Path, []string{hot.ID, cold}) {
			t.Errorf("hot leads to its antonym %s with activation %v", cold, h.Activation)
		}
	}
	// What is left of cold comes over temperature, of which both are values.
	if activation["cold"] > activation["warm"]/2 || activation["warm"] == 0 {
		t.Errorf("hot leads to cold with %v and to warm with %v", activation["cold"], activation["warm"])
	}
	if len(got.Hits) < 10 {
		t.Errorf("hot leads to %v only", got.words())
	}
}

func TestE2EWordNetExportsTheSameBytesAgain(t *testing.T) {
	n, _ := withWordNet(t)
	export := func(n *node.Node) *bytes.Buffer {
		var b bytes.Buffer
		n.Export(t, func(line []byte) { b.Write(line); b.WriteByte('\n') })
		return &b
	}
	first := export(n)
	other := node.Start(t)
	if got := other.Import(t, bytes.NewReader(first.Bytes())); !got.Done || got.Failed > 0 {
		t.Fatalf("imported %+v (%+v)", got, got.Problem)
	}
	second := export(other)
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Errorf("exports of %d and %d bytes differ, first in\n%s", first.Len(), second.Len(), difference(first, second))
	}
}

// difference is the first line that is not the same.
func difference(a, b *bytes.Buffer) string {
	for {
		x, errA := a.ReadString('\n')
		y, errB := b.ReadString('\n')
		if x != y || errA == io.EOF || errB == io.EOF {
			return x + y
		}
	}
}
