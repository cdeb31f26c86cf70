package load

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/api"
)

// connections is how many clients write at once over HTTP.
const connections = 64

// benchHTTP measures durable memories over HTTP, with the clients on the same cores: their part is kept small, a request that
// is made once and an answer that is read to its end.
func benchHTTP(ctx context.Context, j *job) error {
	g := j.generator(j.Memories)
	kinds := []struct {
		name      string
		dimension int
		base64    bool
		rate, p99 Bound
	}{
		{"remember", 0, false, atLeast(15_000), below(20)},
		{"remember_vector", j.Dimension, false, atLeast(4_000), Bound{}},
		{"remember_vector_base64", j.Dimension, true, Bound{}, Bound{}},
	}
	for _, kind := range kinds {
		body := map[string]any{"content": strings.Repeat("x", recordBytes)}
		if kind.dimension > 0 {
			body["vector"] = g.Vector(0, kind.dimension)
			if kind.base64 {
				body["vector"] = encoded(g.Vector(0, kind.dimension))
			}
		}
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		o := node.Options{DataDir: filepath.Join(j.Dir, "http-"+kind.name)}
		s, err := j.overHTTP(ctx, o, text)
		if err != nil {
			return fmt.Errorf("%s: %w", kind.name, err)
		}
		if err := j.row(kind.name+"/rate", s.perSecond(), "records/s", kind.rate); err != nil {
			return err
		}
		if err := j.row(kind.name+"/p99", millis(percentile(s.times, 0.99)), "ms", kind.p99); err != nil {
			return err
		}
	}
	return nil
}

// encoded writes v as the API takes it: base64 of little-endian float32.
func encoded(v []float32) string {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return base64.StdEncoding.EncodeToString(b)
}

// overHTTP lets all connections send the same body for the job's duration.
func (j *job) overHTTP(ctx context.Context, o node.Options, body []byte) (s spell, err error) {
	err = j.withLog(ctx, o, func(r *running) error {
		addr, stop, err := serve(r.Node)
		if err != nil {
			return err
		}
		defer stop()
		request := fmt.Appendf(nil, "POST /api/v1/memories/remember HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", addr, len(body), body)
		s, err = ask(addr, request, j.Duration)
		return err
	})
	return s, err
}

// ask lets every connection send the request, one after the other, for a time.
func ask(addr string, request []byte, lasts time.Duration) (s spell, err error) {
	times := make([][]time.Duration, connections)
	errs := make([]error, connections)
	begin := time.Now()
	var wg sync.WaitGroup
	for c := range connections {
		wg.Go(func() { times[c], errs[c] = askOn(addr, request, begin, lasts) })
	}
	wg.Wait()
	s.took = time.Since(begin)
	for _, t := range times {
		s.times = append(s.times, t...)
	}
	s.records = int64(len(s.times))
	return s, errors.Join(errs...)
}

func askOn(addr string, request []byte, begin time.Time, lasts time.Duration) (times []time.Duration, err error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	in := bufio.NewReader(c)
	for time.Since(begin) < lasts || len(times) == 0 {
		at := time.Now()
		if _, err := c.Write(request); err != nil {
			return nil, err
		}
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return nil, err
		}
		var answer bytes.Buffer
		_, err = io.Copy(&answer, resp.Body)
		resp.Body.Close()
		if err != nil {
			return nil, err
		}
		if resp.StatusCode/100 != 2 {
			return nil, fmt.Errorf("%s: %s", resp.Status, answer.String())
		}
		times = append(times, time.Since(at))
	}
	return times, nil
}

// serve serves the API of n on a port of its own until stop is called.
func serve(n *node.Node) (addr string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := api.Server(api.New(n, api.Options{}), api.Limits{})
	served := make(chan struct{})
	go func() {
		_ = server.Serve(l) // until it is closed
		close(served)
	}()
	return l.Addr().String(), func() {
		server.Close()
		<-served
	}, nil
}
