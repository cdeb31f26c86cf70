// Package wordnet reads WordNet as Debian's wordnet-base has it: a real graph, of which people know what leads to what.
//
// A synset is a memory, a pointer an edge. The files are described in wndb(5).
package wordnet

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Dir is where Debian's wordnet-base puts its files.
const Dir = "/usr/share/wordnet"

// A Synset is what several words mean alike.
type Synset struct {
	ID       string   // first word, part of speech, place in the file: dog.n.02084071
	Lemmas   []string // the words
	Gloss    string   // what it means
	Pointers []Pointer
}

// A Pointer leads from one synset to another.
type Pointer struct {
	Symbol string // what kind it is: @ is a hypernym
	To     string // the ID of a synset
}

// parts are the files, and the letter that pointers have for each.
var parts = []struct{ file, letter string }{{"data.noun", "n"}, {"data.verb", "v"}, {"data.adj", "a"}, {"data.adv", "r"}}

// Read reads all synsets, in the order of the files.
func Read(dir string) ([]Synset, error) {
	var all []Synset
	ids := map[string]string{} // part of speech and place, to the ID
	for _, part := range parts {
		f, err := os.Open(filepath.Join(dir, part.file))
		if err != nil {
			return nil, err
		}
		begin := len(all)
		all, err = read(f, all)
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, fmt.Errorf("%s: %w", part.file, err)
		}
		for i := begin; i < len(all); i++ {
			place := all[i].ID
			word := strings.ReplaceAll(strings.ToLower(all[i].Lemmas[0]), "/", "-") // an ID is part of a path
			all[i].ID = word + "." + part.letter + "." + place
			ids[part.letter+place] = all[i].ID
		}
	}
	for _, s := range all {
		for k, p := range s.Pointers {
			to, ok := ids[p.To]
			if !ok {
				return nil, fmt.Errorf("%s leads to %s, which is not there", s.ID, p.To)
			}
			s.Pointers[k].To = to
		}
	}
	return all, nil
}

// read appends the synsets of one file. Their IDs are places only, and those of pointers letter and place.
func read(r io.Reader, all []Synset) ([]Synset, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "  ") {
			continue // the licence
		}
		s, err := parse(lines.Text())
		if err != nil {
			return nil, fmt.Errorf("%w in %.60q", err, lines.Text())
		}
		all = append(all, s)
	}
	return all, lines.Err()
}

var errShort = errors.New("something is missing")

// parse reads one line: place, file of the lexicographer, type, words with a number each, pointers, and what comes after a bar.
func parse(line string) (s Synset, err error) {
	data, gloss, _ := strings.Cut(line, "|")
	s.Gloss = strings.TrimSpace(gloss)
	fields := strings.Fields(data)
	if len(fields) < 6 {
		return s, errShort
	}
	s.ID = fields[0]
	words, err := strconv.ParseUint(fields[3], 16, 8)
	if err != nil {
		return s, fmt.Errorf("the number of words: %w", err)
	}
	rest := fields[4:]
	if len(rest) < 2*int(words)+1 {
		return s, errShort
	}
	for i := range int(words) {
		word, _, _ := strings.Cut(rest[2*i], "(") // some adjectives say where they may stand
		s.Lemmas = append(s.Lemmas, word)
	}
	rest = rest[2*int(words):]
	pointers, err := strconv.Atoi(rest[0])
	if err != nil {
		return s, fmt.Errorf("the number of pointers: %w", err)
	}
	if rest = rest[1:]; len(rest) < 4*pointers || len(s.Lemmas) == 0 {
		return s, errShort
	}
	for i := range pointers {
		p := rest[4*i : 4*i+4]
		letter := strings.Replace(p[2], "s", "a", 1) // satellites are among the adjectives
		s.Pointers = append(s.Pointers, Pointer{Symbol: p[0], To: letter + p[1]})
	}
	return s, nil
}
