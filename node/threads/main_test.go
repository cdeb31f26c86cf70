package threads_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/engramd/engramd/node/threads"
	"go.uber.org/goleak"
)

// bindMode makes the test binary a program with a memory policy.
const bindMode = "THREADS_TEST_BIND"

func TestMain(m *testing.M) {
	if mode := os.Getenv(bindMode); mode != "" {
		bind(mode)
		return
	}
	goleak.VerifyTestMain(m)
}

// bind starts itself again under a policy and says what is in force then.
func bind(mode string) {
	want := threads.MemoryPolicy{Policy: threads.PolicyBind, Nodes: threads.CPUs{0}, Reason: "the test"}
	_, again := os.LookupEnv("ENGRAMD_MEMORY_POLICY")
	if mode == "default" {
		want = threads.MemoryPolicy{Policy: threads.PolicyDefault, Reason: "the test"}
	}
	if mode == "missing" {
		want.Nodes = threads.CPUs{63}
	}
	if mode == "inherited" {
		if err := threads.SetPolicy(want); err != nil {
			fmt.Println("SetPolicy:", err)
			return
		}
	}
	got, err := threads.ApplyMemoryPolicy(want)
	maps, _ := os.ReadFile("/proc/self/numa_maps")
	_, marked := os.LookupEnv("ENGRAMD_MEMORY_POLICY")
	fmt.Printf("pid %d again %v policy %v reason %q error %v marked %v\n%s", os.Getpid(), again, got, got.Reason, err, marked, maps)
}
