package host

import (
	"testing"

	"github.com/engramd/engramd/testenv"
)

// Up boots a machine for one test and switches it off at the test's end. Its console, to which its journal goes too, is
// among the artifacts. It skips or fails the test as [testenv.Need] says.
func Up(t testing.TB, options Options) *Machine {
	t.Helper()
	testenv.Need(t, "machine")
	m, err := Boot(t.Context(), testenv.Artifacts(t), options)
	if err != nil {
		t.Fatalf("host: %v", err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the end of the machine's console:\n%s", m.Console())
		}
		if err := m.Close(); err != nil {
			t.Errorf("host: switch the machine off: %v", err)
		}
	})
	return m
}
