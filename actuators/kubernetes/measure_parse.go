package kubernetes

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// Bounds of one page of a kubelet's. A node with hundreds of pods has some tens of MiB.
const (
	pageLimit = 64 << 20
	keptLimit = 32 << 20 // of the lines that are read
	lineLimit = 64 << 10
	// staleAfter is how far a container's samples may lag behind the newest of the page: the kubelet
	// keeps what it last saw of a container that is gone.
	staleAfter = 2 * time.Minute
)

// A name is a container's on one node.
type containerName struct{ namespace, pod, container string }

// A page holds what a kubelet shows of each container. One that was restarted may be there twice, and
// where the kubelet's statistics know of no runtime, only the name of the control group tells whose they
// are.
type page struct {
	byName map[containerName][]*numbers
	byID   map[string]*numbers
}

// parsePage reads the metrics that are wanted and passes over all others.
func parsePage(r io.Reader) (page, error) {
	text, err := wantedLines(r)
	if err != nil {
		return page{}, err
	}
	p := page{byName: make(map[containerName][]*numbers), byID: make(map[string]*numbers)}
	var newest int64
	parser := textparse.NewPromParser(text, labels.NewSymbolTable(), false)
	for {
		entry, err := parser.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return page{}, fmt.Errorf("read the kubelet's metrics: %w", err)
		}
		if entry != textparse.EntrySeries {
			continue
		}
		_, at, v := parser.Series()
		var l labels.Labels
		parser.Labels(&l)
		var stamp int64
		if at != nil {
			stamp = *at
		}
		newest = max(newest, stamp)
		p.add(l, stamp, v)
	}
	p.dropStale(newest)
	return p, nil
}

func (p page) add(l labels.Labels, at int64, v float64) {
	f, ok := metricNames[l.Get(model.MetricNameLabel)]
	of := containerName{l.Get("namespace"), l.Get("pod"), l.Get("container")}
	id := idOf(l.Get("id"))
	if !ok || id == "" && (of.container == "" || of.pod == "") || math.IsNaN(v) || math.IsInf(v, 0) {
		return
	}
	n := p.numbers(of, id)
	n.value[f] += v
	n.known[f] = true
	n.at = max(n.at, at)
}

// idOf is the runtime's id of a container in the name of its control group, "" if that is another's.
func idOf(group string) string {
	last := strings.TrimSuffix(group[strings.LastIndexByte(group, '/')+1:], ".scope")
	last = last[strings.LastIndexByte(last, '-')+1:] // cri-containerd-, crio-, docker-
	if len(last) != 64 || !isContainerID(last) {
		return ""
	}
	return last
}

func (p page) numbers(of containerName, id string) *numbers {
	if n, ok := p.byID[id]; ok {
		return n
	}
	for _, n := range p.byName[of] {
		if n.id == id {
			return n
		}
	}
	n := &numbers{id: id}
	if id != "" {
		p.byID[id] = n
	}
	if of.container != "" {
		p.byName[of] = append(p.byName[of], n)
	}
	return n
}

func (p page) dropStale(newest int64) {
	old := func(n *numbers) bool { return n.at != 0 && newest-n.at > staleAfter.Milliseconds() }
	maps.DeleteFunc(p.byID, func(_ string, n *numbers) bool { return old(n) })
	for of, all := range p.byName {
		p.byName[of] = slices.DeleteFunc(all, old)
	}
}

// of finds the numbers of a container. Where several of its lives are shown, only the id tells which.
func (p page) of(name containerName, id string) (numbers, bool) {
	if n, ok := p.byID[id]; ok {
		return *n, true
	}
	all := p.byName[name]
	if len(all) == 1 && (id == "" || all[0].id == "") {
		return *all[0], true
	}
	return numbers{}, false
}

// wantedLines keeps the samples of the metrics that are read, so that a large page takes little memory.
func wantedLines(r io.Reader) ([]byte, error) {
	limited := &io.LimitedReader{R: r, N: pageLimit + 1}
	in := bufio.NewReaderSize(limited, lineLimit)
	var kept bytes.Buffer
	for {
		line, err := in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return nil, fmt.Errorf("read the kubelet's metrics: a line is over %d bytes long", lineLimit)
		}
		if end := bytes.IndexAny(line, "{ "); end > 0 {
			if _, ok := metricNames[string(line[:end])]; ok {
				kept.Write(line)
			}
		}
		switch {
		case limited.N <= 0 || kept.Len() > keptLimit:
			return nil, fmt.Errorf("read the kubelet's metrics: the page is over %d bytes long", pageLimit)
		case errors.Is(err, io.EOF):
			if b := kept.Bytes(); len(b) > 0 && b[len(b)-1] != '\n' {
				kept.WriteByte('\n')
			}
			return kept.Bytes(), nil
		case err != nil:
			return nil, fmt.Errorf("read the kubelet's metrics: %w", err)
		}
	}
}
