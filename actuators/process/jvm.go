package process

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A jvm is what the options of a Java virtual machine say about its size.
type jvm struct {
	heap       *int64
	heapFrom   string // the option that gives heap
	percentage string // the option that gives a share of the limit
	processors string // the option that gives their number
	blind      bool   // -XX:-UseContainerSupport
	files      bool   // some options stand in files that were not read
}

// takesValue are the launcher's options whose value is the next argument.
var takesValue = []string{
	"-cp", "-classpath", "--class-path", "-p", "--module-path", "--upgrade-module-path", "--add-modules",
	"--add-exports", "--add-opens", "--add-reads", "--patch-module", "--limit-modules", "--enable-native-access", "--source",
}

// javaOptions gathers a virtual machine's options, the weakest first: those of the environment, of the
// command line, and of the environment again.
func javaOptions(args []string, env environment) []string {
	all := strings.Fields(env["JAVA_TOOL_OPTIONS"])
	if len(args) > 0 {
		all = slices.Concat(all, strings.Fields(env["JDK_JAVA_OPTIONS"]), ofMachine(args[1:]))
	}
	return append(all, strings.Fields(env["_JAVA_OPTIONS"])...)
}

// ofMachine leaves out the program, its own arguments, and the values of options that are the launcher's.
func ofMachine(args []string) []string {
	var own []string
	for i := 0; i < len(args); i++ {
		switch a := args[i]; {
		case a == "-jar", a == "-m", a == "--module", !strings.HasPrefix(a, "-") && !strings.HasPrefix(a, "@"):
			return own
		case slices.Contains(takesValue, a):
			i++
		default:
			own = append(own, a)
		}
	}
	return own
}

// parseJVM reads options. Of several that say the same the last counts.
func parseJVM(options []string) jvm {
	var j jvm
	for _, o := range options {
		name, value, _ := strings.Cut(o, "=")
		switch {
		case strings.HasPrefix(o, "@"), name == "-XX:Flags", name == "-XX:VMOptionsFile":
			j.files = true
		case strings.HasPrefix(o, "-Xmx"):
			j.setHeap(o, o[len("-Xmx"):])
		case name == "-XX:MaxHeapSize":
			j.setHeap(o, value)
		case name == "-XX:MaxRAMPercentage", name == "-XX:MaxRAMFraction", name == "-XX:MaxRAM":
			j.percentage = o
		case name == "-XX:ActiveProcessorCount":
			j.processors = o
		case o == "-XX:-UseContainerSupport":
			j.blind = true
		case o == "-XX:+UseContainerSupport":
			j.blind = false
		}
	}
	return j
}

func (j *jvm) setHeap(option, text string) {
	if n, ok := parseBytes(text); ok {
		j.heap, j.heapFrom = &n, option
	}
}

// parseBytes reads a size as the virtual machine does: a number and k, m, g or t.
func parseBytes(text string) (int64, bool) {
	shift := 0
	if text != "" {
		if i := strings.IndexByte("kmgt", text[len(text)-1]|0x20); i >= 0 {
			shift, text = 10*(i+1), text[:len(text)-1]
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n << shift, err == nil && n > 0 && n <= math.MaxInt64>>shift
}

// java notes what a Java virtual machine follows. It asks for its limit on CPU whenever a program wants
// to know, but has sized its pools of threads by then.
func (r *Runtime) java(options []string) {
	j := parseJVM(options)
	r.Kind = JVM
	switch {
	case j.processors != "":
		r.CPU = Fixed{Why: fmt.Sprintf("%.60s fixes how many processors it uses", j.processors)}
	case j.blind:
		r.CPU = Fixed{Why: "-XX:-UseContainerSupport keeps it from seeing its limits"}
	default:
		r.CPU = Fixed{Why: "a JVM sizes its pools of threads at its start", Restart: true}
	}
	switch {
	case j.heap != nil:
		r.Heap, r.HeapFrom = j.heap, fmt.Sprintf("%.60s", j.heapFrom)
		r.Memory = Fixed{Why: r.HeapFrom + " fixes its heap"}
	case j.files:
		r.Memory = Fixed{Why: "a JVM sizes its heap at its start (options in files were not read)", Restart: true}
	case j.percentage != "":
		r.Memory = Fixed{Why: fmt.Sprintf("a JVM sizes its heap at its start (%.60s)", j.percentage), Restart: true}
	default:
		r.Memory = Fixed{Why: "a JVM sizes its heap at its start (a quarter of the limit, unless an option says more)", Restart: true}
	}
}
