package hostloop

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"
)

const systemBus = "/run/dbus/system_bus_socket"

// A Gate stands between engramd and the system bus. It passes every message on, except for the calls that it was told to
// hold: the others go past them.
type Gate struct {
	dir string

	mu    sync.Mutex
	holds []*Hold
	conns map[net.Conn]bool
}

// OpenGate makes a gate. It is closed with the test.
func OpenGate(t testing.TB) *Gate {
	t.Helper()
	dir, err := os.MkdirTemp("", "gate-") // short: a socket's path may have 107 bytes
	if err != nil {
		t.Fatalf("hostloop: %v", err)
	}
	g := &Gate{dir: dir, conns: map[net.Conn]bool{}}
	listener, err := net.Listen("unix", filepath.Join(dir, "bus"))
	if err != nil {
		t.Fatalf("hostloop: %v", err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			theirs, err := listener.Accept()
			if err != nil {
				return // it is closed
			}
			running.Go(func() { g.serve(theirs) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		g.Drop()
		running.Wait()
		os.RemoveAll(dir)
	})
	return g
}

// Address is the gate's, for DBUS_SYSTEM_BUS_ADDRESS.
func (g *Gate) Address() string { return "unix:path=" + filepath.Join(g.dir, "bus") }

// Drop lets go of everything: what is held back is lost, and engramd's connections break. Nothing is held any more.
func (g *Gate) Drop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.holds = nil
	for c := range g.conns {
		c.Close()
	}
}

// A Hold is one call that a gate holds, or is about to: the nth of that member on that unit, and all after it.
type Hold struct {
	member, unit string
	nth, seen    int
	answer       bool   // systemd has done it, and engramd is not told
	after        string // only once such a call was answered; "" is from the start
	begun        bool
	serials      map[call]bool // whose answers are held
	held         chan struct{}
	once         sync.Once
}

// Before holds calls before systemd sees them.
func (g *Gate) Before(nth int, member, unit string) *Hold {
	return g.add(&Hold{member: member, unit: unit, nth: nth})
}

// After holds the answers of calls that systemd has carried out.
func (g *Gate) After(nth int, member, unit string) *Hold {
	return g.add(&Hold{member: member, unit: unit, nth: nth, answer: true})
}

// BeforeAfter holds calls of a member from the time on that one of another was answered.
func (g *Gate) BeforeAfter(member, after, unit string) *Hold {
	return g.add(&Hold{member: member, unit: unit, nth: 1, after: after})
}

func (g *Gate) add(h *Hold) *Hold {
	h.held, h.serials = make(chan struct{}), map[call]bool{}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.holds = append(g.holds, h)
	return h
}

// A call is known by its connection, and a number that counts there.
type call struct {
	conn   net.Conn
	serial uint32
}

// Holds tells whether something is held.
func (h *Hold) Holds() bool {
	select {
	case <-h.held:
		return true
	default:
		return false
	}
}

// serve passes one connection's messages on.
func (g *Gate) serve(theirs net.Conn) {
	defer theirs.Close()
	bus, err := net.Dial("unix", systemBus)
	if err != nil {
		return
	}
	defer bus.Close()
	g.mu.Lock()
	g.conns[theirs], g.conns[bus] = true, true
	g.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() {
		from := bufio.NewReader(theirs)
		if handshake(from, bus, func(line string) bool { return line == "BEGIN\r\n" }) == nil {
			pump(from, bus, func(m *dbus.Message) bool { return g.fromClient(theirs, m) })
		}
		bus.Close()
	})
	both.Go(func() {
		from := bufio.NewReader(bus)
		pump(from, theirs, func(m *dbus.Message) bool { return g.fromBus(theirs, m) })
		theirs.Close()
	})
	both.Wait()
	g.mu.Lock()
	delete(g.conns, theirs)
	delete(g.conns, bus)
	g.mu.Unlock()
}

// handshake passes on the lines that go before the first message, up to the last.
func handshake(from *bufio.Reader, to io.Writer, last func(line string) bool) error {
	for {
		line, err := from.ReadString('\n')
		if err != nil {
			return err
		}
		if _, err := io.WriteString(to, line); err != nil || last(line) {
			return err
		}
	}
}

// pump passes on what may pass. The bus answers the handshake in lines, none of which begins as a message does.
func pump(from *bufio.Reader, to io.Writer, passes func(*dbus.Message) bool) {
	for {
		first, err := from.Peek(1)
		if err != nil {
			return
		}
		if first[0] != 'l' {
			if handshake(from, to, func(string) bool { return true }) != nil {
				return
			}
			continue
		}
		raw, m, err := next(from)
		if err != nil || passes(m) && send(to, raw) != nil {
			return
		}
	}
}

func send(to io.Writer, raw []byte) error {
	_, err := to.Write(raw)
	return err
}

// next reads one message, as it is and as what it means.
func next(r io.Reader) ([]byte, *dbus.Message, error) {
	var raw bytes.Buffer
	m, err := dbus.DecodeMessage(io.TeeReader(r, &raw))
	return raw.Bytes(), m, err
}

// fromClient decides about a call of engramd's.
func (g *Gate) fromClient(conn net.Conn, m *dbus.Message) bool {
	member, unit := about(m)
	g.mu.Lock()
	defer g.mu.Unlock()
	passes := true // unless one of them holds it; several may
	for _, h := range g.holds {
		if unit != h.unit {
			continue
		}
		if h.after != "" && member == h.after {
			h.serials[call{conn, m.Serial()}] = true
		}
		if member != h.member || h.after != "" && !h.begun {
			continue
		}
		if h.seen++; h.seen < h.nth {
			continue
		}
		if h.answer {
			h.serials[call{conn, m.Serial()}] = true
			continue
		}
		h.once.Do(func() { close(h.held) })
		passes = false
	}
	return passes
}

// fromBus decides about an answer.
func (g *Gate) fromBus(conn net.Conn, m *dbus.Message) bool {
	serial, isAnswer := m.Headers[dbus.FieldReplySerial].Value().(uint32)
	if !isAnswer {
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, h := range g.holds {
		if !h.serials[call{conn, serial}] {
			continue
		}
		if h.after != "" {
			h.begun = true
			continue
		}
		h.once.Do(func() { close(h.held) })
		return false
	}
	return true
}

// about tells which call it is, and of which unit: the first argument names it, or else the object's path.
func about(m *dbus.Message) (member, unit string) {
	member, _ = m.Headers[dbus.FieldMember].Value().(string)
	if len(m.Body) > 0 {
		if name, ok := m.Body[0].(string); ok && strings.HasSuffix(name, ".service") {
			return member, name
		}
	}
	path, _ := m.Headers[dbus.FieldPath].Value().(dbus.ObjectPath)
	escaped, isUnit := strings.CutPrefix(string(path), "/org/freedesktop/systemd1/unit/")
	if !isUnit {
		return member, ""
	}
	return member, unescape(escaped)
}

// unescape undoes how systemd writes a unit's name in an object's path: what is neither letter nor digit is _ and two digits.
func unescape(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '_' && i+2 < len(text) {
			if c, err := hex.DecodeString(text[i+1 : i+3]); err == nil {
				b.WriteByte(c[0])
				i += 2
				continue
			}
		}
		b.WriteByte(text[i])
	}
	return b.String()
}
