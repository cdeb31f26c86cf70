package view

import (
	"io"
	"strings"
	"time"

	"github.com/engramd/engramd/node/api"
	"github.com/engramd/engramd/node/snapshot"
)

// Spaces writes all spaces.
func Spaces(w io.Writer, s api.Spaces) error {
	p := &page{}
	rows := [][]string{}
	for _, one := range s.Spaces {
		dimension, state := "-", "ok"
		if one.Dimension > 0 {
			dimension = number(one.Dimension)
		}
		if one.Error != "" {
			state = one.Error
		}
		rows = append(rows, []string{one.Name, or(strings.Join(one.Aliases, ",")), number(one.Memories), dimension, moment(one.CreatedAt), state})
	}
	p.table("NAME ALIASES MEMORIES DIMENSION CREATED STATE", rows)
	return p.to(w)
}

// Space writes one space.
func Space(w io.Writer, s api.Space) error { return Spaces(w, api.Spaces{Spaces: []api.Space{s}}) }

// Snapshots writes snapshots.
func Snapshots(w io.Writer, s api.Snapshots) error {
	p := &page{}
	rows := [][]string{}
	for _, one := range s.Snapshots {
		state := "ok"
		if one.Damage != "" {
			state = one.Damage
		}
		archived := make([]string, len(one.ArchivedTo))
		for i, a := range one.ArchivedTo {
			archived[i] = a.URL
		}
		rows = append(rows, []string{
			one.Name, one.Space, number(one.Memories), number(one.Edges), Bytes(one.Bytes), moment(one.CreatedAt), moment(one.VerifiedAt),
			or(strings.Join(archived, ",")), state,
		})
	}
	if len(rows) == 0 {
		p.line("none")
	}
	p.table("NAME SPACE MEMORIES EDGES SIZE TAKEN VERIFIED ARCHIVED STATE", rows)
	return p.to(w)
}

// Snapshot writes one snapshot.
func Snapshot(w io.Writer, i snapshot.Info) error {
	return Snapshots(w, api.Snapshots{Snapshots: []snapshot.Info{i}})
}

// moment writes a time, in UTC as the names of snapshots are.
func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

// or writes a dash for nothing.
func or(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
