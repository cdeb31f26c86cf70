package node_test

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	driver "github.com/engramd/engramd/actuators/node"
	"github.com/engramd/engramd/node"
)

// TestWireIsTheNodes holds the types of this package to the document that a node serves: what is sent, the node takes, and what is
// read, it answers, of the same kinds.
func TestWireIsTheNodes(t *testing.T) {
	w := begin(t, node.Options{})
	resp, err := http.Get(w.url + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	doc, err := openapi3.NewLoader().LoadFromIoReader(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range driver.Wire() {
		item := doc.Paths.Find(x.Path)
		if item == nil || item.GetOperation(x.Method) == nil {
			t.Errorf("%s %s: the node has no such endpoint", x.Method, x.Path)
			continue
		}
		op := item.GetOperation(x.Method)
		if x.In != nil {
			same(t, x.Method+" "+x.Path+" takes", reflect.TypeOf(x.In), op.RequestBody.Value.Content.Get("application/json").Schema.Value)
		}
		if x.Out != nil {
			same(t, x.Method+" "+x.Path+" answers", reflect.TypeOf(x.Out), op.Responses.Status(200).Value.Content.Get("application/json").Schema.Value)
		}
	}
}

// same compares the fields of a type with a schema.
func same(t *testing.T, where string, typ reflect.Type, s *openapi3.Schema) {
	t.Helper()
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	kind := map[reflect.Kind]string{
		reflect.String: "string", reflect.Bool: "boolean", reflect.Int: "integer", reflect.Int64: "integer", reflect.Float64: "number",
		reflect.Slice: "array", reflect.Struct: "object",
	}[typ.Kind()]
	text := typ.Name() == "span" || typ.String() == "time.Time"
	if text {
		kind = "string"
	}
	if !s.Type.Is(kind) {
		t.Errorf("%s: %s is %v in the node's document, not %s", where, typ, s.Type, kind)
		return
	}
	if typ.Kind() == reflect.Slice {
		same(t, where+"[]", typ.Elem(), s.Items.Value)
		return
	}
	if typ.Kind() != reflect.Struct || text {
		return
	}
	for f := range typ.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		ref, there := s.Properties[name]
		if !there {
			t.Errorf("%s: the node has no %s", where, name)
			continue
		}
		same(t, where+"."+name, f.Type, ref.Value)
	}
}

func TestUnknownFieldsAreFine(t *testing.T) {
	w := begin(t, node.Options{})
	newer := func(text string) string { return strings.Replace(text, "{", `{"of_a_newer_node":{"x":[1]},`, 1) }
	w.rewrite(newer)
	st, err := w.driver.Observe(t.Context(), w.target)
	if err != nil || len(st.Parts) != 1 || !json.Valid(st.Parts[0].Raw) {
		t.Errorf("%+v: %v", st, err)
	}
}
