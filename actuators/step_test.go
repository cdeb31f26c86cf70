package actuators_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/engramd/engramd/actuators"
)

// What was journalled is read back, and what makes no sense is never taken for a change to nothing.
func TestStepArguments(t *testing.T) {
	type args struct {
		ID string `json:"id"`
	}
	good := actuators.Step{Kind: "resize", Args: actuators.Encode(args{"a"}), UndoArgs: actuators.Encode(args{"b"})}
	var do, undo args
	if err := good.Decode(&do); err != nil || do.ID != "a" {
		t.Errorf("Decode: %+v, %v", do, err)
	}
	if err := good.DecodeUndo(&undo); err != nil || undo.ID != "b" {
		t.Errorf("DecodeUndo: %+v, %v", undo, err)
	}
	for _, text := range []string{"", "null", "{", `"a"`, `{"id": 1}`} {
		bad := actuators.Step{Kind: "resize", Args: json.RawMessage(text), UndoArgs: json.RawMessage(text)}
		for name, err := range map[string]error{"Decode": bad.Decode(new(args)), "DecodeUndo": bad.DecodeUndo(new(args))} {
			if err == nil || !strings.Contains(err.Error(), `step "resize" makes no sense`) {
				t.Errorf("%s of %q: %v", name, text, err)
			}
		}
	}
}

func TestStepOfAnotherVersion(t *testing.T) {
	err := actuators.Step{Kind: "teleport"}.Unknown()
	if !strings.Contains(err.Error(), `"teleport"`) || !strings.Contains(err.Error(), "newer engramd") {
		t.Error(err)
	}
}
