package hostlock_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/engramd/engramd/agent/journal/hostlock"
)

// The test binary is also the other agent: childDir tells it so.
const childDir = "ENGRAMD_HOSTLOCK_TEST_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		os.Exit(child(hostlock.Dir(dir)))
	}
	os.Exit(m.Run())
}

// child takes the lock, says what it found, records an action and waits to be killed.
func child(d hostlock.Dir) int {
	syscall.Umask(0o077)
	l, err := d.TryLock("k", "/child")
	if err != nil {
		fmt.Println("refused:", err)
		return 1
	}
	found, err := l.Read()
	for _, a := range found {
		fmt.Print("found ", a.ID, " ")
	}
	if err != nil {
		fmt.Print("error ", err, " ")
	}
	if err := l.Record(act("child")); err != nil {
		fmt.Println("record:", err)
		return 1
	}
	fmt.Println("locked")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// another is an agent in a process of its own.
type another struct {
	cmd  *exec.Cmd
	said string
}

// start runs another agent, as a user without rights if uid is not 0.
func start(t *testing.T, d hostlock.Dir, uid uint32) *another {
	t.Helper()
	a := &another{cmd: exec.CommandContext(t.Context(), os.Args[0])}
	if uid != 0 {
		a.cmd = exec.CommandContext(t.Context(), reachable(t))
		a.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	}
	a.cmd.Env = []string{childDir + "=" + string(d)}
	_, err := a.cmd.StdinPipe()
	must(t, err)
	out, err := a.cmd.StdoutPipe()
	must(t, err)
	must(t, a.cmd.Start())
	t.Cleanup(a.kill)
	lines := bufio.NewScanner(out)
	lines.Scan()
	a.said = lines.Text()
	return a
}

// kill ends it with SIGKILL.
func (a *another) kill() {
	_ = a.cmd.Process.Kill()
	_ = a.cmd.Wait()
}

// reachable copies the test binary to where other users can run it.
func reachable(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root to run as another user")
	}
	dir, err := os.MkdirTemp("", "hostlock")
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	must(t, os.Chmod(dir, 0o755))
	text, err := os.ReadFile(os.Args[0])
	must(t, err)
	path := filepath.Join(dir, "agent")
	must(t, os.WriteFile(path, text, 0o755))
	return path
}

func (a *another) must(t *testing.T, want string) {
	t.Helper()
	if !strings.Contains(a.said, want) {
		t.Fatalf("the other agent said %q, want %q", a.said, want)
	}
}

func TestSIGKILLFreesTheLockAndLeavesTheRecord(t *testing.T) {
	d := place(t)
	other := start(t, d, 0)
	other.must(t, "locked")
	_, err := d.TryLock("k", "/data")
	held, ok := errors.AsType[*hostlock.HeldError](err)
	if !ok || held.PID != other.cmd.Process.Pid || held.DataDir != "/child" {
		t.Fatalf("got %v", err)
	}
	other.kill()
	l := take(t, d, "k")
	got, err := l.Read()
	must(t, err)
	if len(got) != 1 || got[0].ID != "child" {
		t.Errorf("read %+v", got)
	}
	must(t, l.Clear("child"))
}

const nobody = 65534

func TestRootAndAUserExcludeOneAnother(t *testing.T) {
	for _, uids := range [][2]uint32{{0, nobody}, {nobody, 0}} {
		d := place(t)
		first := start(t, d, uids[0])
		first.must(t, "locked")
		start(t, d, uids[1]).must(t, "refused: another engramd holds this target: process "+fmt.Sprint(first.cmd.Process.Pid))
		first.kill()
		start(t, d, uids[1]).must(t, "locked")
	}
}

// A record is data of whoever could write it, and it holds commands: a user must not be able to have
// root run his.
func TestAUsersRecordIsNotBelievedByRoot(t *testing.T) {
	d := place(t)
	start(t, d, nobody).kill()
	root := start(t, d, 0)
	root.must(t, "belongs to user 65534")
	if strings.Contains(root.said, "found") {
		t.Errorf("root took the record: %s", root.said)
	}
	root.kill()
	// Root's own record is not for the user to read: it may hold what only root may know.
	user := start(t, d, nobody)
	user.must(t, "found child")
	user.must(t, "belongs to another user")
}

func TestRootMakesADirectoryOfAUserItsOwn(t *testing.T) {
	reachable(t) // skips where this is not root
	d := place(t)
	must(t, os.Mkdir(string(d), 0o700))
	must(t, os.Chown(string(d), nobody, nobody))
	take(t, d, "k")
	st, err := os.Stat(string(d))
	must(t, err)
	if st.Mode().Perm() != 0o777 || st.Mode()&os.ModeSticky == 0 || st.Sys().(*syscall.Stat_t).Uid != 0 {
		t.Errorf("it is %v of %v", st.Mode(), st.Sys())
	}
	start(t, d, nobody).must(t, "refused: another engramd")
}
