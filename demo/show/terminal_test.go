package show_test

import (
	"bytes"
	"context"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/engramd/engramd/demo/show"
	"github.com/engramd/engramd/testenv"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A screen collects what is written to a terminal.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) read(person *os.File) {
	b := make([]byte, 4096)
	for {
		n, err := person.Read(b)
		s.mu.Lock()
		s.text.Write(b[:n])
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (s *screen) shows(what string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Contains(s.text.String(), what)
}

func (s *screen) last(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.LastIndex(s.text.String(), what)
}

// A live is a Terminal at work on a terminal of its own.
type live struct {
	*screen
	person, tty *os.File
	states      chan show.State
	left        chan struct{}
	ended       chan error
	stop        context.CancelFunc
}

func start(t *testing.T, columns, rows int) *live {
	t.Helper()
	l := &live{screen: &screen{}, states: make(chan show.State), left: make(chan struct{}), ended: make(chan error, 1)}
	l.person, l.tty = testenv.PTY(t, columns, rows)
	before := testenv.TerminalMode(t, l.tty)
	var reading sync.WaitGroup
	reading.Go(func() { l.read(l.person) })
	ctx, stop := context.WithCancel(t.Context())
	l.stop = stop
	terminal := &show.Terminal{In: l.tty, Out: l.tty, Look: show.Look{}, Environ: []string{"TERM=xterm-256color"}}
	var once sync.Once
	go func() { l.ended <- terminal.Run(ctx, l.states, func() { once.Do(func() { close(l.left) }) }) }()
	t.Cleanup(func() {
		stop()
		if diff := cmp.Diff(before, testenv.TerminalMode(t, l.tty)); diff != "" {
			t.Errorf("the terminal is not as it was (-before +after):\n%s", diff)
		}
		testenv.Eventually(t, 5*time.Second, "the alternate screen is left, if it was entered", func() bool { return l.last("\x1b[?1049l") >= l.last("\x1b[?1049h") })
		testenv.Eventually(t, 5*time.Second, "the cursor is shown, if it was hidden", func() bool { return l.last("\x1b[?25h") >= l.last("\x1b[?25l") })
		l.tty.Close()
		l.person.Close()
		reading.Wait()
	})
	return l
}

// ends waits for Run and returns its error.
func (l *live) ends(t *testing.T) {
	t.Helper()
	select {
	case err := <-l.ended:
		if err != nil {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(testenv.Patience(10 * time.Second)):
		t.Fatal("it does not end")
	}
}

func (l *live) send(t *testing.T, s show.State) {
	t.Helper()
	select {
	case l.states <- s:
	case <-time.After(testenv.Patience(10 * time.Second)):
		t.Fatal("nobody draws")
	}
}

// TestTerminalDraws draws states until there are no more.
func TestTerminalDraws(t *testing.T) {
	l := start(t, 80, 24)
	l.send(t, moments()["calm"])
	testenv.Eventually(t, 10*time.Second, "the first state is drawn", func() bool { return l.shows("One client asks") })
	l.send(t, moments()["rising"])
	testenv.Eventually(t, 10*time.Second, "the second state is drawn", func() bool { return l.shows("0199f1b2c3d4") })
	close(l.states)
	l.ends(t)
}

// TestTerminalLeaves holds that each key to leave does, and that the one who drives the demo is told.
func TestTerminalLeaves(t *testing.T) {
	for name, key := range map[string]string{"ctrl-c": "\x03", "q": "q"} {
		t.Run(name, func(t *testing.T) {
			l := start(t, 80, 24)
			l.send(t, moments()["calm"])
			testenv.Eventually(t, 10*time.Second, "it is drawn", func() bool { return l.shows("One client asks") })
			if _, err := l.person.WriteString(key); err != nil {
				t.Fatal(err)
			}
			l.ends(t)
			select {
			case <-l.left:
			default:
				t.Error("nobody was told")
			}
		})
	}
}

// TestTerminalEndsWithContext holds what a signal does: it ends the context.
func TestTerminalEndsWithContext(t *testing.T) {
	l := start(t, 20, 5)
	l.send(t, moments()["end"])
	l.stop()
	l.ends(t)
}

// TestTerminalEndsBeforeAnything holds that a context that is over already is no trouble.
func TestTerminalEndsBeforeAnything(t *testing.T) {
	l := start(t, 80, 24)
	l.stop()
	l.ends(t)
}
