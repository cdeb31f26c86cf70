package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// The command line is covered by the scripts in testdata/script: each is a story of a person at a
// terminal.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"engramd":    main,
		engramServer: main,
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			for _, name := range []string{"ADDR", "NODE"} {
				port, err := freePort()
				if err != nil {
					return err
				}
				env.Setenv(name, fmt.Sprintf("127.0.0.1:%d", port))
			}
			scripts, err := filepath.Abs("../../scripts")
			if err != nil {
				return err
			}
			if _, err := os.ReadDir(scripts); err != nil { // so that go test knows that it depends on them
				return err
			}
			env.Setenv("SCRIPTS", scripts)
			env.Setenv("ENGRAMD_NODE_URL", "http://"+env.Getenv("NODE"))
			env.Setenv("ENGRAMD_ADDR", env.Getenv("ADDR"))
			// No platform of this machine is there for the scripts.
			env.Setenv("DOCKER_HOST", "unix://"+env.WorkDir+"/no.sock")
			env.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+env.WorkDir+"/no-bus.sock")
			env.Setenv("KUBECONFIG", env.WorkDir+"/no-kubeconfig")
			env.Setenv("KUBERNETES_SERVICE_HOST", "")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"expand":     expand,
			"exits":      exits,
			"eventually": eventually,
			"shows":      shows,
		},
	})
}

func freePort() (int, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port, nil
}

// expand FILE puts the environment's values into a file.
func expand(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		path := ts.MkAbs(name)
		text := os.Expand(ts.ReadFile(path), ts.Getenv)
		ts.Check(os.WriteFile(path, []byte(text), 0o644))
	}
}

// shows TEXT COMMAND... waits until a command succeeds and prints a text.
func shows(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: shows TEXT COMMAND...")
	}
	await(ts, fmt.Sprintf("%v to show %q", args[1:], args[0]), func() bool {
		return ts.Exec(args[1], args[2:]...) == nil && strings.Contains(ts.ReadFile("stdout"), args[0])
	})
}

// exits CODE COMMAND... runs a command that must end with that code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if err != nil {
		code = exitCode(err)
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}
