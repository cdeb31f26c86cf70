package load

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"time"

	"github.com/engramd/engramd/node"
)

// benchImport measures how long it takes to import memories and links over HTTP, a line each, until all are durable.
func benchImport(ctx context.Context, j *job) error {
	o := node.Options{DataDir: filepath.Join(j.Dir, "import"), HotBytes: hotBytes}
	return with(ctx, o, func(r *running) error {
		addr, stop, err := serve(r.Node)
		if err != nil {
			return err
		}
		defer stop()
		g := j.generator(j.Memories)
		begin := time.Now()
		in, out := io.Pipe()
		go func() { out.CloseWithError(writeLines(out, g)) }()
		if err := post(ctx, "http://"+addr+"/api/v1/memories/import?results=failed", in, g); err != nil {
			return err
		}
		took := time.Since(begin)
		bound := below(120)
		if j.Memories > 1_000_000 || j.Degree > 10 {
			bound = Bound{}
		}
		if err := j.row("time", took.Seconds(), "s", bound); err != nil {
			return err
		}
		return j.row("rate", float64(g.Memories*(1+g.Degree))/took.Seconds(), "lines/s", Bound{})
	})
}

// writeLines writes everything that g makes, a line each. They are put together by hand, because encoding them with reflection would
// be much of what is measured.
func writeLines(w io.Writer, g Generator) error {
	out := bufio.NewWriterSize(w, 256<<10)
	var line []byte
	for i := range g.Memories {
		m := g.Memory(i)
		line = append(append(line[:0], `{"id":"`...), m.ID...)
		line = append(strconv.AppendQuote(append(line, `","content":`...), m.Content), "}\n"...)
		if _, err := out.Write(line); err != nil {
			return err
		}
	}
	for i := range g.Memories {
		from := g.ID(i)
		for to, weight := range g.targets(i) {
			line = append(append(line[:0], `{"from":"`...), from...)
			line = append(append(line, `","to":"`...), g.ID(to)...)
			line = append(strconv.AppendFloat(append(line, `","weight":`...), weight.Float64(), 'f', -1, 64), "}\n"...)
			if _, err := out.Write(line); err != nil {
				return err
			}
		}
	}
	return out.Flush()
}

// post imports lines, and fails unless all of them went in.
func post(ctx context.Context, url string, lines io.Reader, g Generator) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, lines)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var last struct {
		Done                    bool
		Memories, Edges, Failed int
	}
	for dec := json.NewDecoder(resp.Body); ; {
		var raw json.RawMessage
		err := dec.Decode(&raw)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("read the import's answer: %w", err)
		}
		if err := json.Unmarshal(raw, &last); err != nil {
			return err
		}
		if last.Failed > 0 || resp.StatusCode != http.StatusOK {
			return fmt.Errorf("the import: %s: %s", resp.Status, raw)
		}
	}
	if !last.Done || last.Memories != g.Memories || last.Edges != g.Memories*g.Degree {
		return fmt.Errorf("the import ended with %+v, not with %d memories and %d edges", last, g.Memories, g.Memories*g.Degree)
	}
	return nil
}
