package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"time"
	"unicode"

	"github.com/engramd/engramd/policy"
	"github.com/prometheus/common/model"
)

// decodeJSON decodes exactly one value without unknown keys.
func decodeJSON(body []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return Invalid("the body is not what this takes: %v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Invalid("the body holds more than one value")
	}
	return nil
}

func (a *Asked) asker() *Asked { return a }

func (r *ReasonRequest) validate() error { return checkText("reason", r.Reason) }

func (r *ApproveRequest) validate() error { return checkText("plan_hash", r.PlanHash) }

func (r *TargetRequest) validate() error { return checkText("target", r.Target) }

func (r *PauseRequest) validate() error {
	return errors.Join(checkText("target", r.Target), checkText("reason", r.Reason), checkFor(r.For))
}

func (r *FreezeRequest) validate() error {
	if r.Target == "" {
		return Invalid("target is missing")
	}
	return errors.Join(checkText("target", r.Target), checkText("reason", r.Reason), checkResource(r.Resource), checkFor(r.For))
}

func (r *UnfreezeRequest) validate() error {
	if r.Target == "" {
		return Invalid("target is missing")
	}
	return errors.Join(checkText("target", r.Target), checkResource(r.Resource))
}

func (r *ReleaseRequest) validate() error {
	if (r.Target == "") == !r.All {
		return Invalid("name one target, or say all, not both")
	}
	return checkText("target", r.Target)
}

// checkText keeps control characters and novels out of logs, events and terminals.
func checkText(what, text string) error {
	if len(text) > maxText {
		return Invalid("%s is longer than %d bytes", what, maxText)
	}
	for _, r := range text {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return Invalid("%s holds a control character", what)
		}
	}
	return nil
}

// longestFor keeps a time in the future within what clocks and people can handle.
const longestFor = 10 * 365 * 24 * time.Hour

func checkFor(d model.Duration) error {
	if time.Duration(d) < 0 || time.Duration(d) > longestFor {
		return Invalid("for: want up to ten years")
	}
	return nil
}

func checkResource(r policy.Resource) error { return checkText("resource", string(r)) }
