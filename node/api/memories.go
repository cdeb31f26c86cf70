package api

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/engramd/engramd/node"
	"github.com/go-json-experiment/json"
)

var memoryRoutes = []route{
	{
		method: "POST", path: prefix + "/memories/remember", needs: Write, does: "Remember one memory: durable when this is answered",
		params: []param{paramSpace, paramTimeout}, in: NewMemory{}, out: Remembered{}, status: http.StatusCreated, also: []int{http.StatusOK},
		example: `{"content":"the kettle is in the left cupboard","tags":["kitchen"]}`,
		handle:  (*exchange).remember,
	},
	{
		method: "GET", path: prefix + "/memories/{id}", needs: Read, does: "Get a memory; its ETag is its version",
		params: []param{paramSpace, paramVectors, paramTimeout}, headers: []param{{name: "If-None-Match", desc: "versions that are known already", of: ""}}, out: Memory{}, also: []int{http.StatusNotModified},
		handle: (*exchange).get,
	},
	{
		method: "PATCH", path: prefix + "/memories/{id}", needs: Write,
		does:   "Change a memory by a JSON merge patch (RFC 7396): null removes, metadata is merged, the rest replaced",
		params: []param{paramSpace, paramVectors, paramTimeout}, headers: []param{headerIfMatch}, in: Patch{}, inMedia: mediaMergePatch, out: Memory{},
		example: `{"content":"it moved to the right","metadata":{"shelf":2,"box":null}}`,
		handle:  (*exchange).patch,
	},
	{
		method: "DELETE", path: prefix + "/memories/{id}", needs: Write, does: "Delete a memory and all its edges",
		params: []param{paramSpace, paramTimeout}, headers: []param{headerIfMatch}, status: http.StatusNoContent,
		handle: (*exchange).delete,
	},
}

var headerIfMatch = param{name: "If-Match", desc: "only if the memory still has this version, as \"12\"", of: ""}

var paramVectors = param{name: "vectors", desc: "how vectors are shown", of: "", enum: []string{"none", "array", "base64"}}

// vectors reads how vectors are to be shown.
func (x *exchange) vectors(otherwise string) (read []node.ReadOption, write json.Options, err error) {
	how := x.q.get("vectors")
	if how == "" {
		how = otherwise
	}
	switch how {
	case "none":
		return []node.ReadOption{node.WithoutVector}, faithfully, nil
	case "array":
		return nil, asArrays, nil
	case "base64":
		return nil, faithfully, nil
	}
	return nil, nil, invalid("vectors", "%.20q is none of none, array, base64", how)
}

func (x *exchange) get() error {
	space, err := x.space("")
	if err != nil {
		return err
	}
	read, write, err := x.vectors("array")
	if err != nil {
		return err
	}
	m, err := x.api.node.Get(x.ctx(), space, x.r.PathValue("id"), read...)
	if err != nil {
		return err
	}
	x.w.Header()["Etag"] = []string{etag(m.Version)}
	if known := x.r.Header.Get("If-None-Match"); known != "" && matches(known, m.Version, true) {
		x.w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return x.answer(http.StatusOK, shown(&m, x.api.now()), write)
}

func etag(version uint64) string {
	b := append(make([]byte, 0, 24), '"')
	return string(append(strconv.AppendUint(b, version, 10), '"'))
}

// matches tells whether a list of entity tags names a version.
func matches(header string, version uint64, weak bool) bool {
	tag := etag(version)
	for one := range strings.SplitSeq(header, ",") {
		one = strings.TrimSpace(one)
		if weak {
			one = strings.TrimPrefix(one, "W/")
		}
		if one == tag || one == "*" {
			return true
		}
	}
	return false
}

// ifMatch reads which version a change is for; 0 is any.
func (x *exchange) ifMatch() (uint64, error) {
	header := strings.TrimSpace(x.r.Header.Get("If-Match"))
	if len(x.r.Header.Values("If-Match")) == 0 || header == "*" {
		return 0, nil
	}
	text, ok := strings.CutPrefix(header, `"`)
	text, closed := strings.CutSuffix(text, `"`)
	version, err := strconv.ParseUint(text, 10, 64)
	if !ok || !closed || err != nil || version == 0 {
		return 0, invalid("If-Match", `%.60q is no version as "12"`, header)
	}
	return version, nil
}
