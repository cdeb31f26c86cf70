package api

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// unixPrefix is in front of the path of a unix socket.
const unixPrefix = "unix://"

// Listen listens on addr, host:port or unix:///path. Where the port is taken, the error names who has
// it and the flag (or key) that chooses another.
func Listen(ctx context.Context, addr, flag string) (net.Listener, error) {
	if path, ok := strings.CutPrefix(addr, unixPrefix); ok {
		return listenUnix(ctx, path, flag)
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		who := "another process"
		if _, port, e := net.SplitHostPort(addr); e == nil {
			if n, e := strconv.Atoi(port); e == nil {
				who = portHolder("/proc", n)
			}
		}
		return nil, fmt.Errorf("listen on %s: the port is in use by %s: stop it, or choose another with %s", addr, who, flag)
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("listen on %s: %w: choose a port above 1023 with %s", addr, err, flag)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s (%s): %w", addr, flag, err)
	}
	return ln, nil
}

// listenUnix listens on a socket that only this user and its group can use. What a killed agent left
// is taken over; a socket that answers is not.
func listenUnix(ctx context.Context, path, flag string) (net.Listener, error) {
	if st, err := os.Lstat(path); err == nil && st.Mode().Type() == fs.ModeSocket {
		if c, err := net.Dial("unix", path); err == nil {
			return nil, errors.Join(fmt.Errorf("listen on %s%s: another process answers there: stop it, or choose another with %s", unixPrefix, path, flag), c.Close())
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("listen on %s%s (%s): remove what was left: %w", unixPrefix, path, flag, err)
		}
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen on %s%s (%s): %w", unixPrefix, path, flag, err)
	}
	if err := os.Chmod(path, 0o660); err != nil {
		return nil, errors.Join(fmt.Errorf("listen on %s%s: %w", unixPrefix, path, err), ln.Close())
	}
	return ln, nil
}

// limitConns lets n connections be open at a time; more wait in the kernel's queue.
func limitConns(ln net.Listener, n int) net.Listener {
	return &limitedListener{Listener: ln, free: make(chan struct{}, n), closed: make(chan struct{})}
}

type limitedListener struct {
	net.Listener
	free   chan struct{}
	once   sync.Once
	closed chan struct{}
}

func (l *limitedListener) Accept() (net.Conn, error) {
	select {
	case l.free <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.free
		return nil, err
	}
	return &limitedConn{Conn: c, release: sync.OnceFunc(func() { <-l.free })}, nil
}

func (l *limitedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type limitedConn struct {
	net.Conn
	release func()
}

func (c *limitedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}
