package api

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// remember makes one memory durable. It is what writers do most, so that it writes its answer by hand.
func (x *exchange) remember() error {
	var in NewMemory
	if err := x.readJSON(maxMemoryBody, false, &in); err != nil {
		return err
	}
	if in.Content == "" && len(in.Vector) == 0 {
		return invalid("content", "is missing")
	}
	space, err := x.space(in.Space)
	if err != nil {
		return err
	}
	m, err := in.record()
	if err != nil {
		return err
	}
	done, err := x.api.node.Remember(x.ctx(), space, m)
	if err != nil {
		return err
	}
	status := http.StatusOK
	h := x.w.Header()
	if done.Created {
		status = http.StatusCreated
		h["Location"] = []string{memoryPath(space, done.ID)}
	}
	h["Etag"] = []string{etag(done.Version)}
	withBuffer(func(b []byte) []byte {
		b = append(b, `{"id":`...)
		b, _ = jsontext.AppendQuote(b, done.ID) // an id is UTF-8
		b = append(b, `,"version":`...)
		b = strconv.AppendUint(b, done.Version, 10)
		b = append(b, `,"created":`...)
		b = strconv.AppendBool(b, done.Created)
		b = append(b, '}', '\n')
		x.write(status, headerJSON, b)
		return b
	})
	return nil
}

// memoryPath is where a memory is.
func memoryPath(space, id string) string {
	p := prefix + "/memories/" + url.PathEscape(id)
	if space != "default" {
		p += "?space=" + space
	}
	return p
}
