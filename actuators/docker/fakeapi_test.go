package docker_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A fakeAPI is a Docker daemon in memory: as much of it as the driver uses, with its rules. It fails
// the test when two containers run that are one service, which is what must never happen.
type fakeAPI struct {
	t *testing.T
	*httptest.Server

	mu         sync.Mutex
	containers map[string]*fakeContainer
	made       int
	calls      []string
	changes    []string // the calls that change something, with their bodies
	// reserved is a name that a creation still under way holds: nobody can have it, and nothing shows.
	reserved string
	v2       bool
	// use tells the usage and the pages of files under a limit, as the kernel would.
	use func(limit int64) (usage, pages int64)
	// pid is that of running containers on this host, 0 for another host; updated is told of each update.
	pid      int
	noCpuset bool
	updated  func(c *fakeContainer)
	// fault is asked before each call, by its number from 1; nil is none.
	fault func(n int, r *http.Request) fault
	hung  chan struct{} // closed when the test ends
}

// A fault is how one call goes wrong.
type fault int

const (
	noFault   fault = iota
	dropped         // the connection breaks before the call has an effect
	late            // the call has its effect, and the answer is lost
	status500       // without effect
	status409
	status404
	ebusy
	garbage // with effect, and an answer that is not JSON
	endless // with effect, and an answer without end
	hang    // without effect, and no answer
)

type fakeContainer struct {
	ID, Name   string
	Running    bool
	Image      string
	Config     map[string]json.RawMessage
	HostConfig map[string]json.RawMessage
	Networks   map[string]map[string]any
	StartedAt  time.Time
}

func newFakeAPI(t *testing.T) *fakeAPI {
	f := &fakeAPI{t: t, containers: make(map[string]*fakeContainer), hung: make(chan struct{})}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.Close)
	t.Cleanup(func() { close(f.hung) })
	return f
}

func (f *fakeAPI) host() string { return "tcp://" + strings.TrimPrefix(f.URL, "http://") }

// add puts a running container there, with host configuration as JSON.
func (f *fakeAPI) add(name, hostConfig string) *fakeContainer {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.new(name)
	c.Config = object(`{"Image":"engram:1","Env":["SECRET=s3cret"],"Labels":{"service":"` + name + `"},"Entrypoint":["/engram"],"Hostname":"` + c.ID[:12] + `"}`)
	c.HostConfig = object(hostConfig)
	c.Networks = map[string]map[string]any{"front": {"Aliases": []any{"memory", c.ID[:12]}}, "back": {"Aliases": []any{}}}
	c.Running, c.StartedAt = true, time.Unix(1e9, 0)
	return c
}

func (f *fakeAPI) new(name string) *fakeContainer {
	f.made++
	id := strings.Repeat(fmt.Sprintf("%08x", 0xc0ffee00+f.made), 8)
	c := &fakeContainer{ID: id, Name: name, Image: "sha256:" + strings.Repeat("ab", 32)}
	f.containers[id] = c
	return c
}

// edit changes the fake as somebody else would.
func (f *fakeAPI) edit(fn func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fn()
}

func (f *fakeAPI) breakAt(fault func(int, *http.Request) fault) { f.edit(func() { f.fault = fault }) }

func (f *fakeAPI) reset() { f.edit(func() { f.calls, f.changes = nil, nil }) }

func (f *fakeAPI) count() (n int) {
	f.edit(func() { n = len(f.calls) })
	return n
}

func (f *fakeAPI) changed() (lines []string) {
	f.edit(func() { lines = slices.Clone(f.changes) })
	return lines
}

func object(text string) map[string]json.RawMessage {
	var o map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		panic(err)
	}
	return o
}

func (f *fakeAPI) find(ref string) *fakeContainer {
	for _, c := range f.containers {
		if c.Name == ref || strings.HasPrefix(c.ID, ref) {
			return c
		}
	}
	return nil
}

// snapshot lists "name id8 running restart cpus memory" of each container.
func (f *fakeAPI) snapshot() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	for _, c := range f.containers {
		var restart struct{ Name string }
		_ = json.Unmarshal(c.HostConfig["RestartPolicy"], &restart)
		all = append(all, fmt.Sprintf("%s %s running=%t restart=%s nano=%s memory=%s networks=%v",
			c.Name, c.ID[:8], c.Running, restart.Name, c.HostConfig["NanoCpus"], c.HostConfig["Memory"], slices.Sorted(maps.Keys(c.Networks))))
	}
	slices.Sort(all)
	return all
}

func (f *fakeAPI) running() int {
	n := 0
	for _, c := range f.containers {
		if c.Running {
			n++
		}
	}
	return n
}

func (f *fakeAPI) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	path := r.URL.Path
	if strings.HasPrefix(path, "/v1.") {
		_, path, _ = strings.Cut(path[1:], "/")
		path = "/" + path
	}
	f.calls = append(f.calls, r.Method+" "+path)
	wrong := noFault
	if f.fault != nil {
		wrong = f.fault(len(f.calls), r)
	}
	switch wrong {
	case dropped, hang:
		f.mu.Unlock()
		if wrong == hang {
			select {
			case <-f.hung:
			case <-r.Context().Done():
			}
		}
		panic(http.ErrAbortHandler)
	case status500, status409, status404, ebusy:
		f.mu.Unlock()
		fail(w, map[fault]int{status500: 500, status409: 409, status404: 404, ebusy: 500}[wrong],
			map[fault]string{status500: "something broke", status409: "conflict", status404: "no such thing",
				ebusy: "runc did not terminate successfully: unable to set memory limit to 7000000 (current usage: 106704896, peak usage: 106778624)"}[wrong])
		return
	}
	code, answer := f.answer(r, path)
	if f.running() > 1 && !f.severalServices() {
		f.t.Errorf("two containers run after %s: %v", f.calls[len(f.calls)-1], f.calls)
	}
	f.mu.Unlock()
	switch wrong {
	case late:
		panic(http.ErrAbortHandler)
	case garbage:
		io.WriteString(w, "<html>it works!</html>")
	case endless:
		io.WriteString(w, `{"Warnings":["`)
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, strings.Repeat("a", 4096)); err != nil {
				return
			}
		}
	default:
		if code >= 400 {
			fail(w, code, answer.(string))
			return
		}
		w.Header().Set("Api-Version", "1.41")
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		if answer != nil && code != http.StatusNoContent {
			json.NewEncoder(w).Encode(answer)
		}
	}
}

func fail(w http.ResponseWriter, code int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(map[string]string{"message": message})
}

// severalServices tells apart containers that have nothing to do with each other.
func (f *fakeAPI) severalServices() bool {
	labels := make(map[string]bool)
	for _, c := range f.containers {
		if c.Running {
			var l map[string]string
			_ = json.Unmarshal(c.Config["Labels"], &l)
			if labels[l["service"]] {
				return false
			}
			labels[l["service"]] = true
		}
	}
	return true
}

func (f *fakeAPI) answer(r *http.Request, path string) (int, any) {
	body, _ := io.ReadAll(r.Body)
	if r.Method == http.MethodPost || r.Method == http.MethodDelete {
		f.changes = append(f.changes, ids.ReplaceAllString(strings.TrimSpace(r.Method+" "+path+query(r)+" "+brief(body)), "$1"))
	}
	parts := strings.Split(strings.Trim(path, "/"), "/")
	switch {
	case path == "/_ping":
		return 200, nil
	case path == "/info":
		return 200, map[string]any{"ID": "DAEMON", "NCPU": 8, "MemTotal": 16 << 30, "CgroupVersion": map[bool]string{true: "2", false: "1"}[f.v2], "SwapLimit": true, "CpuSet": !f.noCpuset, "ServerVersion": "20.10"}
	case path == "/containers/json":
		return 200, f.list(r)
	case path == "/containers/create":
		return f.create(r.URL.Query().Get("name"), body)
	case parts[0] == "images":
		return 200, map[string]any{"Config": map[string]any{"Entrypoint": []string{"/engram"}}}
	case parts[0] == "networks" && len(parts) == 3:
		return f.connect(parts[1], body)
	}
	c := f.find(parts[1])
	if c == nil {
		return 404, "No such container: " + parts[1]
	}
	if r.Method == http.MethodDelete {
		delete(f.containers, c.ID)
		return 204, nil
	}
	switch parts[2] {
	case "json":
		return 200, f.inspect(c)
	case "update":
		return f.update(c, body)
	case "stop":
		c.Running = false
		return 204, nil
	case "start":
		c.Running, c.StartedAt = true, time.Unix(1e9+int64(len(f.calls)), 0)
		return 204, nil
	case "rename":
		name := r.URL.Query().Get("name")
		if name == f.reserved {
			return 409, fmt.Sprintf("Conflict. The container name \"/%s\" is already in use by container \"\"", name)
		}
		if other := f.find(name); other != nil && other != c {
			return 409, fmt.Sprintf("Conflict. The container name \"/%s\" is already in use by container %q", name, other.ID)
		}
		c.Name = name
		return 204, nil
	case "stats":
		usage, pages := int64(50<<20), int64(10<<20)
		if f.use != nil {
			var limit int64
			_ = json.Unmarshal(c.HostConfig["Memory"], &limit)
			usage, pages = f.use(limit)
		}
		return 200, map[string]any{"memory_stats": map[string]any{"usage": usage, "stats": map[string]any{"inactive_file": pages}}}
	}
	return 404, "page not found"
}

// ids are whole ids; the first eight digits tell enough.
var ids = regexp.MustCompile(`([0-9a-f]{8})[0-9a-f]{56}`)

func query(r *http.Request) string {
	if r.URL.RawQuery == "" {
		return ""
	}
	return "?" + r.URL.RawQuery
}

// brief is a request's body without what is zero, which in an update means to leave it.
func brief(body []byte) string {
	var doc any
	if json.Unmarshal(body, &doc) != nil {
		return ""
	}
	text, _ := json.Marshal(stripped(doc))
	return string(text)
}

func stripped(v any) any {
	o, ok := v.(map[string]any)
	if !ok {
		return v
	}
	for key, value := range o {
		value = stripped(value)
		inner, isObject := value.(map[string]any)
		if value == nil || value == 0.0 || value == "" || value == false || isObject && len(inner) == 0 {
			delete(o, key)
			continue
		}
		o[key] = value
	}
	return o
}

func (f *fakeAPI) list(r *http.Request) any {
	list := []any{}
	for _, c := range f.containers {
		if c.Running || r.URL.Query().Get("all") != "" {
			list = append(list, map[string]any{"Id": c.ID, "Names": []string{"/" + c.Name}, "Labels": c.Config["Labels"]})
		}
	}
	return list
}

func (f *fakeAPI) inspect(c *fakeContainer) any {
	status := "exited"
	if c.Running {
		status = "running"
	}
	return map[string]any{
		"Id": c.ID, "Name": "/" + c.Name, "Image": c.Image, "Config": c.Config, "HostConfig": c.HostConfig,
		"State":           map[string]any{"Status": status, "Running": c.Running, "Pid": f.pid, "StartedAt": c.StartedAt.Format(time.RFC3339Nano)},
		"NetworkSettings": map[string]any{"Networks": c.Networks},
	}
}

func (f *fakeAPI) update(c *fakeContainer, body []byte) (int, any) {
	var u struct {
		NanoCpus, CpuQuota, Memory, MemorySwap, MemoryReservation int64
		CpusetCpus, CpusetMems                                    string
		RestartPolicy                                             struct {
			Name              string
			MaximumRetryCount int
		}
	}
	if err := json.Unmarshal(body, &u); err != nil {
		return 400, err.Error()
	}
	if u.CpuQuota > 0 && string(c.HostConfig["NanoCpus"]) != "0" && c.HostConfig["NanoCpus"] != nil {
		return 400, "Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set"
	}
	set := func(key string, v any, changed bool) {
		if changed {
			c.HostConfig[key], _ = json.Marshal(v)
		}
	}
	set("NanoCpus", u.NanoCpus, u.NanoCpus != 0)
	set("CpuQuota", u.CpuQuota, u.CpuQuota != 0)
	set("Memory", u.Memory, u.Memory != 0)
	set("MemorySwap", u.MemorySwap, u.MemorySwap != 0)
	set("MemoryReservation", u.MemoryReservation, u.MemoryReservation != 0)
	set("CpusetCpus", u.CpusetCpus, u.CpusetCpus != "")
	set("CpusetMems", u.CpusetMems, u.CpusetMems != "")
	set("RestartPolicy", u.RestartPolicy, u.RestartPolicy.Name != "")
	if f.updated != nil {
		f.updated(c)
	}
	return 200, map[string]any{"Warnings": nil}
}

func (f *fakeAPI) create(name string, body []byte) (int, any) {
	if name == f.reserved {
		return 409, fmt.Sprintf("Conflict. The container name \"/%s\" is already in use by container \"\"", name)
	}
	if other := f.find(name); other != nil {
		return 409, fmt.Sprintf("Conflict. The container name \"/%s\" is already in use by container %q", name, other.ID)
	}
	var request struct {
		HostConfig       map[string]json.RawMessage
		NetworkingConfig struct {
			EndpointsConfig map[string]map[string]any
		}
	}
	if err := json.Unmarshal(body, &request); err != nil {
		return 400, err.Error()
	}
	if len(request.NetworkingConfig.EndpointsConfig) > 1 {
		return 400, "Container cannot be connected to network endpoints: front, back"
	}
	c := f.new(name)
	c.Config = object(string(body))
	delete(c.Config, "HostConfig")
	delete(c.Config, "NetworkingConfig")
	c.HostConfig, c.Networks = request.HostConfig, request.NetworkingConfig.EndpointsConfig
	return 201, map[string]any{"Id": c.ID}
}

func (f *fakeAPI) connect(network string, body []byte) (int, any) {
	var request struct {
		Container      string
		EndpointConfig map[string]any
	}
	if err := json.Unmarshal(body, &request); err != nil {
		return 400, err.Error()
	}
	c := f.find(request.Container)
	switch {
	case c == nil:
		return 404, "No such container"
	case c.Networks[network] != nil:
		return 403, "endpoint with name engram already exists in network " + network
	}
	c.Networks[network] = request.EndpointConfig
	return 200, nil
}
