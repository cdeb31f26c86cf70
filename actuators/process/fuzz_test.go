package process

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

func FuzzStat(f *testing.F) {
	f.Add("1 (init) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 12 1000 200\n")
	f.Add("77 (a) b) R 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 33 0 18446744073709551615")
	f.Add(") (")
	f.Fuzz(func(t *testing.T, text string) {
		if s, ok := parseStat(text); ok && s.threads < 0 {
			t.Errorf("%d threads", s.threads)
		}
	})
}

func FuzzJVM(f *testing.F) {
	f.Add("java\x00-Xmx1g\x00-cp\x00x\x00Main\x00", "JAVA_TOOL_OPTIONS=-Xmx2g\x00_JAVA_OPTIONS=-XX:MaxHeapSize=1\x00", true)
	f.Add("java\x00-XX:ActiveProcessorCount=\x00-Xmx9999999999999t\x00", "", false)
	f.Fuzz(func(t *testing.T, cmdline, environ string, all bool) {
		env := environment{}
		for _, one := range split([]byte(environ), all) {
			name, value, _ := strings.Cut(one, "=")
			env[name] = value
		}
		var r Runtime
		r.java(javaOptions(split([]byte(cmdline), all), env))
		if r.Heap != nil && *r.Heap <= 0 {
			t.Errorf("a heap of %d bytes from %q", *r.Heap, r.HeapFrom)
		}
		if r.Memory.Why == "" || r.CPU.Why == "" {
			t.Error("a JVM never follows without a word")
		}
	})
}

func FuzzGo(f *testing.F) {
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(self[:64<<10])
	f.Add([]byte("\x7fELF\x02\x01\x01"))
	f.Add([]byte("MZ\xff Go buildinf:"))
	f.Fuzz(func(t *testing.T, file []byte) {
		var r Runtime
		if b, err := parseGo(bytes.NewReader(file)); err == nil && b != nil {
			r.golang(*b, environment{"GODEBUG": string(file[:min(len(file), 20)])})
		}
	})
}
