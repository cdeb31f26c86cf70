package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// Load reads and checks the file at path against the platforms of reg. Its error is a [Faults]
// unless the file could not be read.
func Load(path string, reg actuators.Registry) (*Config, error) {
	data, err := readRegular(path, MaxBytes)
	if err != nil {
		return nil, fmt.Errorf("read the configuration %s: %w", path, err)
	}
	return Parse(path, data, reg)
}

// readRegular reads a file of at most limit bytes and a little more, so that one that is too large is
// seen to be. What is no file could go on for ever.
func readRegular(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, errors.New("there is no such file")
	case err != nil:
		return nil, errors.Unwrap(err)
	case !info.Mode().IsRegular():
		return nil, errors.New("it is no file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit+1))
}

// Parse checks data; name stands for the file in faults, and the files that it names are relative to
// name's directory. Its error is a [Faults].
func Parse(name string, data []byte, reg actuators.Registry) (*Config, error) {
	doc := newDocument()
	d := decodeDocument(newSource(name, data), doc, reg)
	r := &resolver{
		decoder: d, doc: doc, cfg: &Config{Path: name, document: doc}, hash: sha256.New(),
		dir: filepath.Dir(name), specs: map[string]string{}, canChange: map[string][]policy.Resource{}, madeBy: map[string]origin{},
	}
	if len(d.values) > 0 || len(d.faults) == 0 { // else there is nothing to look at
		r.resolve()
	}
	if err := d.err(); err != nil {
		return nil, err
	}
	r.hash.Write(data)
	r.cfg.Hash = hex.EncodeToString(r.hash.Sum(nil))
	r.cfg.Warnings = d.sortedWarnings()
	return r.cfg, nil
}

// A resolver makes a Config of a document.
type resolver struct {
	*decoder
	doc  *document
	cfg  *Config
	hash hash.Hash
	dir  string
	// specs holds the target of each platform section, by its contents.
	specs     map[string]string
	canChange map[string][]policy.Resource // by platform
	madeBy    map[string]origin            // by the name of the policy
	alike     []alike
	// embeddedAt is where the embedded node is, if it is a target although the file names none for it, and embeddedPolicies its policies.
	embeddedAt       string
	embeddedPolicies []Policy
}

func (r *resolver) resolve() {
	r.version()
	r.cfg.DataDir, r.cfg.Mode, r.cfg.Node, r.cfg.Discover = r.doc.DataDir, r.doc.Mode, r.doc.Node, r.doc.Discover
	if r.doc.DataDir == "" {
		r.faultAt("data_dir", "data_dir: it is empty", "")
	}
	r.node("node.", r.doc.Node)
	r.listen()
	r.windows()
	r.cfg.Safety = r.doc.Safety.safety()
	r.checkSafety("safety", r.cfg.Safety)
	r.checkValidation("validation", r.doc.Validation.validation())
	for i := range r.doc.Targets {
		r.cfg.Targets = append(r.cfg.Targets, r.target(i))
	}
	r.lookAfterNode()
	r.metrics()
	r.policies()
	r.embeddedRules()
	r.rules()
	r.events()
	r.report()
	for _, w := range r.alike {
		r.warn(w.at, strings.ReplaceAll(w.text, targetHere, strings.Join(w.targets, ", ")))
	}
}

// An alike warning is the same for several targets, and said once; targetHere stands in its text where
// their names belong.
type alike struct {
	at      Position
	text    string
	targets []string
}

const targetHere = "{target}"

// warnOf notes a warning that concerns one target and perhaps others in the same way.
func (r *resolver) warnOf(t *Target, at Position, text string) {
	for i := range r.alike {
		if one := &r.alike[i]; one.at == at && one.text == text {
			one.targets = append(one.targets, t.Name)
			return
		}
	}
	r.alike = append(r.alike, alike{at, text, []string{t.Name}})
}

// version makes sure that the file is of this format.
func (r *resolver) version() {
	switch {
	case !r.written("version"):
		r.fault(Position{Line: 1, Column: 1}, "version is missing", "add `version: 1` on top")
	case r.doc.Version != 1:
		r.faultAt("version", fmt.Sprintf("version: %d is not known", r.doc.Version), "this build reads version 1")
	}
}

// checkSafety reports numbers that make no sense.
func (r *resolver) checkSafety(path string, s Safety) {
	for key, n := range map[string]int{"per_hour": s.Budget.PerHour, "per_day": s.Budget.PerDay, "emergencies_per_day": s.Budget.EmergenciesPerDay} {
		if key = path + ".budget." + key; n < -1 {
			r.faultAt(key, fmt.Sprintf("%s: %d: want 0 for none, -1 for any number, or more", key, n), "")
		}
	}
	if s.ApprovalTTL <= 0 {
		r.faultAt(path+".approval_ttl", path+".approval_ttl: want more than 0s", "")
	}
}

// events checks where events go.
func (r *resolver) events() {
	e := r.doc.Events
	r.cfg.Events = Events{File: e.File}
	if e.File.MaxBytes < 4096 || e.File.Keep < 0 {
		r.faultAt("events.file", "events.file: want a max_size of 4Ki or more and a keep of 0 or more", "")
	}
	for key, sink := range map[string]*Sink{"alertmanager": e.Alertmanager, "webhook": e.Webhook} {
		if sink == nil {
			continue
		}
		path := "events." + key
		r.checkURL(path+".url", sink.URL)
		if sink.Timeout <= 0 {
			r.faultAt(path+".timeout", path+".timeout: want more than 0s", "")
		}
		resolved := *sink
		resolved.HeadersFile, resolved.CAFile = r.file(sink.HeadersFile), r.file(sink.CAFile)
		if key == "webhook" {
			r.cfg.Events.Webhook = &resolved
		} else {
			r.cfg.Events.Alertmanager = &resolved
		}
	}
}

// resources lists what the driver of a platform can change.
func (r *resolver) resources(platform string) []policy.Resource {
	if known, ok := r.canChange[platform]; ok {
		return known
	}
	driver, err := r.registry[platform].Open(slog.New(slog.DiscardHandler))
	if err != nil {
		r.fault(Position{}, fmt.Sprintf("open the driver for %s: %v", platform, err), "")
		r.canChange[platform] = nil
		return nil
	}
	r.canChange[platform] = driver.Resources()
	return r.canChange[platform]
}

// file makes a path that the file names relative to the file's directory; "" stays "".
func (r *resolver) file(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(r.dir, path)
}

func contains[S ~[]string](list S, text string) bool { return slices.Contains(list, text) }
