package actuators

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Encode writes what a driver puts into a [Step] or into [Part.Raw]. It never fails: those are plain
// structs, without channels, functions or numbers that are none.
func Encode(v any) json.RawMessage {
	b, _ := json.Marshal(v)
	return b
}

// Decode reads the arguments of s into args.
func (s Step) Decode(args any) error { return s.decode(s.Args, args) }

// DecodeUndo reads the arguments of its undo.
func (s Step) DecodeUndo(args any) error { return s.decode(s.UndoArgs, args) }

// decode takes null for damage, too: nothing is done or undone with what is not there.
func (s Step) decode(text json.RawMessage, into any) error {
	err := json.Unmarshal(text, into)
	if err == nil && string(text) == "null" {
		err = errors.New("it has no arguments")
	}
	if err != nil {
		return fmt.Errorf("the journalled step %q makes no sense: %w", s.Kind, err)
	}
	return nil
}

// Unknown is what a driver says of a step whose kind it does not have.
func (s Step) Unknown() error {
	return fmt.Errorf("step of unknown kind %q: was it journalled by a newer engramd?", s.Kind)
}
