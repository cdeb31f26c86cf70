package process

import (
	"path/filepath"
	"strings"
)

// depth is how far the search goes below a process that only starts another: docker-init, a shell, and
// what that runs.
const depth = 3

// Detect says what runs in a process. Root is where proc is, "/" but for tests. Where the process is
// neither and has a single child, such as an init, that is what is looked at.
func Detect(root string, pid int) Runtime {
	p := proc{root, pid}
	r := p.detect()
	for range depth {
		child, ok := p.onlyChild()
		if r.Kind != Other || !ok {
			break
		}
		found := child.detect()
		if found.Kind == Unknown {
			break
		}
		p, r = child, found
	}
	return r
}

// Still reports whether the process that r was found in runs on, as the same program, and how many
// threads it has now. What was unknown is never still so.
func (r Runtime) Still(root string) (threads int, ok bool) {
	if r.Kind == Unknown || r.PID == 0 {
		return 0, false
	}
	p := proc{root, r.PID}
	s, err := p.stat()
	if err != nil || s.started != r.Started {
		return 0, false
	}
	if name, err := p.program(); err == nil && name != r.Program {
		return 0, false // it has run another program since: a shell that became what it started
	}
	return s.threads, true
}

// detect looks at one process, and at its start time before and after: ids are used again.
func (p proc) detect() Runtime {
	before, err := p.stat()
	if err != nil {
		return Runtime{Kind: Unknown, Why: cause(err)}
	}
	r := p.look()
	after, err := p.stat()
	name, _ := p.program()
	switch {
	case err != nil:
		return Runtime{Kind: Unknown, Why: cause(err)}
	case after.started != before.started, name != r.Program:
		return Runtime{Kind: Unknown, Why: "it was replaced while it was looked at"}
	}
	r.PID, r.Started, r.Threads = p.pid, after.started, after.threads
	return r
}

// look asks for a JVM by the name of the program, for Go by what the linker left in it, and for a JVM
// inside another program by its library.
func (p proc) look() Runtime {
	program, unseen := p.program()
	args, err := p.arguments()
	if err != nil {
		return Runtime{Kind: Unknown, Program: program, Why: cause(err)}
	}
	env, hidden := p.environment()
	r := Runtime{Kind: Other, Program: program}
	if hidden != nil {
		r.Why = "its environment cannot be read: " + cause(hidden)
	}
	switch {
	case isJava(program) || unseen != nil && len(args) > 0 && isJava(args[0]):
		r.java(javaOptions(args, env))
	case unseen != nil:
		return Runtime{Kind: Unknown, Why: cause(unseen)}
	default:
		p.lookInside(&r, env)
	}
	return r
}

// lookInside tells a program by its file and what it has mapped.
func (p proc) lookInside(r *Runtime, env environment) {
	build, err := readGo(p.file("exe"))
	switch {
	case err != nil:
		*r = Runtime{Kind: Unknown, Program: r.Program, Why: cause(err)}
		return
	case build != nil:
		r.golang(*build, env)
		return
	}
	mapped, err := p.maps("libjvm.so")
	switch {
	case mapped: // a launcher of its own: its arguments are not the virtual machine's
		r.java(javaOptions(nil, env))
	case err != nil:
		*r = Runtime{Kind: Unknown, Program: r.Program, Why: cause(err)}
	}
}

func isJava(path string) bool {
	name := strings.TrimPrefix(filepath.Base(path), "-") // as a login shell would start it
	return name == "java"
}
