package config_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/engramd/engramd/agent/config"
)

func FuzzParse(f *testing.F) {
	f.Add([]byte(config.Default()))
	f.Add(readFile(f, "testdata/agent.example.yaml"))
	f.Add(readFile(f, "testdata/show.yaml"))
	paths, _ := filepath.Glob("testdata/faults/*.txtar")
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(archive.Files[0].Data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := config.Parse("fuzz.yaml", data, registry())
		if (c == nil) == (err == nil) {
			t.Fatal("neither a configuration nor an error, or both")
		}
		if err != nil {
			faults, ok := errors.AsType[config.Faults](err)
			if !ok || len(faults) == 0 || !strings.HasPrefix(err.Error(), "fuzz.yaml") {
				t.Fatalf("no faults of the file: %v", err)
			}
			if strings.Contains(err.Error(), "runtime error") {
				t.Fatalf("the decoder panicked: %v", err)
			}
			return
		}
		// What was accepted is shown in a form that is accepted, and says the same.
		shown := config.Show(c)
		again, err := config.Parse("fuzz.yaml", shown, registry())
		if err != nil {
			t.Fatalf("shown and refused: %v\n%s", err, shown)
		}
		if string(config.Show(again)) != string(shown) {
			t.Fatalf("shown twice, differently:\n%s\n%s", shown, config.Show(again))
		}
	})
}

func FuzzParseNode(f *testing.F) {
	f.Add([]byte(guides))
	f.Add([]byte("hot_tier_size: 16GB\nvector_dim: 768\nnuma: {aware: true, bind: [0]}\nstorage: {wal: {retention: 24h}, snapshots: {schedule: \"0 3 * * *\", archive: \"file:///x\"}}\n"))
	f.Add([]byte("enabled: true\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := config.ParseNode("fuzz.yaml", data)
		if err != nil {
			faults, ok := errors.AsType[config.Faults](err)
			if !ok || len(faults) == 0 || !strings.HasPrefix(err.Error(), "fuzz.yaml") || strings.Contains(err.Error(), "runtime error") {
				t.Fatalf("no faults of the file: %v", err)
			}
			return
		}
		// What was accepted the node can be opened with.
		if err := n.Storage.TierPolicy.Policy().Validate(); err != nil || n.HotBytes() < 0 {
			t.Fatalf("accepted: %v, %d", err, n.HotBytes())
		}
	})
}
