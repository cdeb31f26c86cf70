package wordnet_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/engramd/engramd/testenv/wordnet"
	"github.com/google/go-cmp/cmp"
)

func files(t *testing.T, noun, adj string) string {
	dir := t.TempDir()
	for name, text := range map[string]string{"data.noun": noun, "data.verb": "", "data.adj": adj, "data.adv": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const licence = "  1 This software and database is being provided to you, the LICENSEE, by\n"

func TestRead(t *testing.T) {
	dir := files(t, licence+
		"02084071 05 n 02 dog 0 Canis_familiaris 0 002 @ 02083346 n 0000 + 00001740 s 0101 | a member of the genus Canis; \"barks\"  \n"+
		"02083346 05 n 01 canine 1 001 ~ 02084071 n 0000 | any of various fissiped mammals  \n",
		"00001740 00 s 01 doggy(a) 0 000 | of dogs  \n")
	got, err := wordnet.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []wordnet.Synset{
		{
			ID: "dog.n.02084071", Lemmas: []string{"dog", "Canis_familiaris"}, Gloss: `a member of the genus Canis; "barks"`,
			Pointers: []wordnet.Pointer{{Symbol: "@", To: "canine.n.02083346"}, {Symbol: "+", To: "doggy.a.00001740"}},
		},
		{ID: "canine.n.02083346", Lemmas: []string{"canine"}, Gloss: "any of various fissiped mammals", Pointers: []wordnet.Pointer{{Symbol: "~", To: "dog.n.02084071"}}},
		{ID: "doggy.a.00001740", Lemmas: []string{"doggy"}, Gloss: "of dogs"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestReadTellsWhatIsWrong(t *testing.T) {
	for name, line := range map[string]string{
		"short":              "02084071 05 n\n",
		"fewer words":        "02084071 05 n 05 dog 0 000 | gloss\n",
		"fewer pointers":     "02084071 05 n 01 dog 0 002 @ 02083346 n 0000 | gloss\n",
		"no number of words": "02084071 05 n xx dog 0 000 | gloss\n",
		"leads nowhere":      "02084071 05 n 01 dog 0 001 @ 02083346 n 0000 | gloss\n",
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := wordnet.Read(files(t, line, "")); err == nil {
				t.Errorf("got %v", got)
			}
		})
	}
}
