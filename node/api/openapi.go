package api

import (
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A document is a piece of the OpenAPI document: JSON, with members in alphabetical order.
type document = map[string]any

// openAPI writes the document of routes. What it says of bodies and answers follows from the types that are decoded and encoded.
func openAPI(routes []route) []byte {
	s := &schemas{named: document{}}
	paths := document{}
	for i := range routes {
		r := &routes[i]
		path, ok := paths[r.path].(document)
		if !ok {
			path = document{}
			paths[r.path] = path
		}
		path[strings.ToLower(r.method)] = s.operation(r)
	}
	s.of(reflect.TypeFor[Problem]())
	b, err := json.Marshal(document{
		"openapi": "3.0.3",
		"info": document{
			"title": "engramd memory node", "version": "1",
			"description": "Memories linked into a graph, durable when acknowledged, recalled by spreading activation. Errors are problem documents (RFC 9457).",
		},
		"paths":      paths,
		"components": document{"schemas": s.named},
	}, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		panic(err) // it is made of nothing but strings and maps
	}
	return append(b, '\n')
}

func (s *schemas) operation(r *route) document {
	op := document{"summary": r.does, "operationId": operationID(r), "responses": s.responses(r), "x-role": r.needs.String()}
	var params []any
	for segment := range strings.SplitSeq(r.path, "/") {
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			params = append(params, document{
				"name": strings.TrimSuffix(name, "}"), "in": "path", "required": true, "schema": document{"type": "string"},
			})
		}
	}
	for _, p := range r.params {
		params = append(params, s.parameter(p, "query"))
	}
	for _, p := range r.headers {
		params = append(params, s.parameter(p, "header"))
	}
	if params != nil {
		op["parameters"] = params
	}
	if r.in != nil {
		op["requestBody"] = s.body(r)
	}
	return op
}

// operationID is the method and the path in one word.
func operationID(r *route) string {
	path := strings.NewReplacer("/api/v1/", "", "{", "by-", "}", "", "/", "-", ".", "-").Replace(r.path)
	return strings.ToLower(r.method) + "-" + strings.Trim(path, "-")
}

func (s *schemas) parameter(p param, in string) document {
	schema := s.of(reflect.TypeOf(p.of))
	if p.enum != nil {
		schema = document{"type": "string", "enum": p.enum}
	}
	if p.many {
		schema = document{"type": "array", "items": schema}
	}
	return document{"name": p.name, "in": in, "description": p.desc, "required": p.required, "schema": schema}
}

func (s *schemas) body(r *route) document {
	media := document{"schema": s.of(reflect.TypeOf(r.in))}
	if r.example != "" {
		media["example"] = jsontext.Value(r.example)
	}
	kind := r.inMedia
	if kind == "" {
		kind = mediaJSON
	}
	content := document{kind: media}
	switch kind {
	case mediaMergePatch:
		content[mediaJSON] = media
	case mediaLines:
		content[mediaLines] = document{"schema": document{"type": "string", "description": "a line of JSON each"}}
		s.of(reflect.TypeOf(r.in))
	}
	return document{"required": !r.optional, "content": content}
}

func (s *schemas) responses(r *route) document {
	status := r.status
	if status == 0 {
		status = http.StatusOK
	}
	good := document{"description": http.StatusText(status)}
	switch {
	case r.outMedia == mediaLines:
		s.of(reflect.TypeOf(r.out))
		good["content"] = document{mediaLines: document{"schema": document{"type": "string", "description": "a line of JSON each"}}}
	case r.out != nil:
		good["content"] = document{mediaJSON: document{"schema": s.of(reflect.TypeOf(r.out))}}
	}
	out := document{
		strconv.Itoa(status): good,
		"default": document{"description": "what went wrong", "content": document{
			mediaProblem: document{"schema": document{"$ref": "#/components/schemas/Problem"}},
		}},
	}
	for _, also := range r.also {
		other := document{"description": http.StatusText(also)}
		if also != http.StatusNotModified {
			other["content"] = good["content"]
		}
		out[strconv.Itoa(also)] = other
	}
	return out
}
