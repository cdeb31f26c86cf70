package threads

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// policyMark tells the program that was started again which policy was set for it.
const policyMark = "ENGRAMD_MEMORY_POLICY"

// The kernel's names (linux/mempolicy.h) of the policies.
const (
	mpolDefault    = 0
	mpolBind       = 2
	mpolInterleave = 3
	mpolModeMask   = 0xfff // the rest are flags
)

// ApplyMemoryPolicy puts a policy in force for the whole process. A policy belongs to a thread and is inherited by those it starts;
// Go has started some before any of our code runs. So this sets it and starts the program again, once, in the same
// process: with a policy to set it does not return then. Call it first thing in main.
//
// It returns what is in force. A policy that whoever started us has set already (numactl) stays.
func ApplyMemoryPolicy(want MemoryPolicy) (MemoryPolicy, error) {
	mark, again := os.LookupEnv(policyMark)
	if err := os.Unsetenv(policyMark); err != nil { // what we start later is not meant
		return want, err
	}
	now, err := currentPolicy()
	if again {
		if err != nil || now.String() != mark {
			return now, fmt.Errorf("numa: the memory policy %s did not survive the restart: %v is in force: %w", mark, now, err)
		}
		now.Reason = want.Reason
		return now, nil
	}
	switch {
	case want.Policy == PolicyDefault:
		return want, nil
	case err != nil:
		return now, fmt.Errorf("numa: read the memory policy: %w: allow get_mempolicy, or set numa: {aware: false}", err)
	case now.Policy != PolicyDefault:
		return MemoryPolicy{PolicyInherited, now.Nodes, "it was set before this program started, to " + now.String()}, nil
	}
	return now, restartWith(want)
}

// restartWith returns only if it fails, with the old policy in force.
func restartWith(want MemoryPolicy) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := setPolicy(want); err != nil {
		return fmt.Errorf("numa: set the memory policy %v: %w: allow set_mempolicy (CAP_SYS_NICE in a container), or set numa: {aware: false}", want, err)
	}
	program, err := os.Executable()
	if err != nil || strings.HasSuffix(program, " (deleted)") {
		program = "/proc/self/exe"
	}
	err = syscall.Exec(program, os.Args, append(os.Environ(), policyMark+"="+want.String()))
	if undo := setPolicy(MemoryPolicy{Policy: PolicyDefault}); undo != nil {
		err = fmt.Errorf("%w; %w", err, undo)
	}
	return fmt.Errorf("numa: start again under the memory policy %v: %w", want, err)
}

const (
	wordBits = 64
	maxNodes = 4096 // the kernel has at most 1024, and refuses masks of more than a page
)

// setPolicy sets that of the calling thread.
func setPolicy(p MemoryPolicy) error {
	mode := map[string]uintptr{PolicyDefault: mpolDefault, PolicyBind: mpolBind, PolicyInterleave: mpolInterleave}[p.Policy]
	if len(p.Nodes) == 0 {
		return errno(unix.Syscall(unix.SYS_SET_MEMPOLICY, mode, 0, 0))
	}
	mask := make([]uint64, slices.Max(p.Nodes)/wordBits+1)
	for _, id := range p.Nodes {
		mask[id/wordBits] |= 1 << (id % wordBits)
	}
	// The kernel takes one bit less than it is told of.
	return errno(unix.Syscall(unix.SYS_SET_MEMPOLICY, mode, uintptr(unsafe.Pointer(&mask[0])), uintptr(len(mask)*wordBits+1)))
}

// currentPolicy reads that of the calling thread.
func currentPolicy() (MemoryPolicy, error) {
	var mode int32
	mask := make([]uint64, maxNodes/wordBits)
	err := errno(unix.Syscall6(unix.SYS_GET_MEMPOLICY, uintptr(unsafe.Pointer(&mode)), uintptr(unsafe.Pointer(&mask[0])), uintptr(len(mask)*wordBits), 0, 0, 0))
	if err != nil {
		return MemoryPolicy{Policy: PolicyDefault}, err
	}
	p := MemoryPolicy{}
	switch mode & mpolModeMask {
	case mpolDefault:
		p.Policy = PolicyDefault
	case mpolBind:
		p.Policy = PolicyBind
	case mpolInterleave:
		p.Policy = PolicyInterleave
	default:
		p.Policy = fmt.Sprintf("mode %d", mode&mpolModeMask)
	}
	for i, word := range mask {
		for bit := range wordBits {
			if word&(1<<bit) != 0 {
				p.Nodes = append(p.Nodes, i*wordBits+bit)
			}
		}
	}
	return p, nil
}

func errno(_, _ uintptr, err syscall.Errno) error {
	if err != 0 {
		return err
	}
	return nil
}
