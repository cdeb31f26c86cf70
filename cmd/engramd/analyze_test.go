package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/engramd/engramd/agent/sizing"
	"github.com/engramd/engramd/policy"
)

// TestWhereAnAnalysisGoes has the name of a format where a file may be named, as other commands have it.
func TestWhereAnAnalysisGoes(t *testing.T) {
	t.Chdir(t.TempDir())
	found := sizing.Analysis{Targets: []sizing.TargetSizes{{Target: "web", Resources: []sizing.ResourceSizes{{Resource: policy.CPU, Recommended: 2}}}}}
	for _, test := range []struct{ output, format, file, begins string }{
		{"table", "", "", "TARGET "},
		{"json", "", "", "{\n"},
		{"csv", "", "", "target,phase,"},
		{"systemd", "", "", "# web\n[Service]\n"},
		{"-", "csv", "", "target,phase,"},
		{"json", "csv", "", "target,phase,"},
		{"sizes.csv", "", "sizes.csv", "target,phase,"},
		{"sizes.json", "", "sizes.json", "{\n"},
		{"sizes.txt", "", "sizes.txt", "TARGET "},
	} {
		a := &analysing{file: test.output, format: test.format}
		write, err := a.writer()
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := a.into(&out, func(w io.Writer) error { return write(w, found) }); err != nil {
			t.Fatal(err)
		}
		text := out.String()
		files, _ := filepath.Glob("*")
		if test.file != "" {
			b, err := os.ReadFile(test.file)
			if err != nil || out.Len() > 0 {
				t.Errorf("-o %s: %v, %q is printed", test.output, err, text)
			}
			text = string(b)
			files = files[1:]
			_ = os.Remove(test.file)
		}
		if !strings.HasPrefix(text, test.begins) || len(files) > 0 {
			t.Errorf("-o %s --format %s: %q, and the files %q", test.output, test.format, text, files)
		}
	}
}
