package view

import (
	"fmt"
	"io"
	"strings"

	"github.com/engramd/engramd/node/api"
)

// excerptRunes is how much of a memory's content a table shows.
const excerptRunes = 60

// Spreading writes what a spread reached, strongest first.
func Spreading(w io.Writer, s api.Spreading) error {
	p := &page{}
	rows := [][]string{}
	for _, h := range s.Hits {
		rows = append(rows, []string{fmt.Sprintf("%.4f", h.Activation), h.ID, path(h.Path)})
	}
	p.table("ACTIVATION ID PATH", rows)
	p.reached(len(s.Hits), s.Reached, s.Hops, s.Partial, s.Absent)
	return p.to(w)
}

// Recollection writes what came to mind, the most active first.
func Recollection(w io.Writer, r api.Recollection) error {
	p := &page{}
	rows := [][]string{}
	for _, h := range r.Hits {
		similarity := "-"
		if h.Similarity != nil {
			similarity = fmt.Sprintf("%.4f", *h.Similarity)
		}
		rows = append(rows, []string{fmt.Sprintf("%.4f", h.Activation), similarity, h.Tier.String(), h.Memory.ID, excerpt(h.Memory.Content, excerptRunes), path(h.Path)})
	}
	p.table("ACTIVATION SIMILARITY TIER ID CONTENT PATH", rows)
	p.reached(len(r.Hits), r.Reached, r.Hops, r.Partial, r.Absent)
	return p.to(w)
}

// reached ends the answer of a spread with what the table does not show.
func (p *page) reached(hits, reached, hops int, partial bool, absent []string) {
	if hits > 0 {
		p.WriteByte('\n')
	}
	text := fmt.Sprintf("%d of %s active after %s", hits, count(reached, "memory", "memories"), count(hops, "hop", "hops"))
	if partial {
		text += "; the time was over, there may be more"
	}
	p.line("%s", text)
	if len(absent) > 0 {
		p.line("not there: %s", strings.Join(absent, ", "))
	}
}

// path is how activation came; of a seed it is nothing.
func path(ids []string) string {
	if len(ids) < 2 {
		return "-"
	}
	return strings.Join(ids, " > ")
}
