package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// A joinCache remembers which containers each container joins. That never changes while a container
// lives, so each is inspected once.
type joinCache struct {
	mu   sync.Mutex
	seen map[*daemon]map[string][]join // by container id
}

// A join is one container's use of another one's namespace, volumes or name.
type join struct {
	who, how, what string
}

// summary is one line of the list of containers.
type summary struct {
	ID     string `json:"Id"`
	Names  []string
	Image  string
	State  string
	Labels map[string]string
}

func (s summary) name() string {
	for _, name := range s.Names {
		if name = strings.TrimPrefix(name, "/"); !strings.Contains(name, "/") { // links show as /other/alias
			return name
		}
	}
	return short(s.ID)
}

// list reads all containers, stopped ones too if all is set.
func (d *daemon) list(ctx context.Context, all bool) ([]summary, error) {
	var found []summary
	err := d.call(ctx, "list containers", readTimeout, func(ctx context.Context) error {
		query := url.Values{}
		if all {
			query.Set("all", "1")
		}
		text, err := d.exchange(ctx, http.MethodGet, "/containers/json", query, nil)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, &found); err != nil {
			return fmt.Errorf("the daemon's list of containers makes no sense: %w", err)
		}
		return nil
	})
	return found, err
}

// joining lists the containers that use something of c and would lose it in a recreate.
func (j *joinCache) joining(ctx context.Context, d *daemon, c container) ([]string, error) {
	others, err := d.list(ctx, true)
	if err != nil {
		return nil, err
	}
	before, now := j.of(d), make(map[string][]join)
	var found []string
	for _, other := range others {
		joins, known := before[other.ID]
		if !known {
			inspected, err := d.inspect(ctx, other.ID)
			if errors.Is(err, errNoContainer) {
				continue // it went away since
			}
			if err != nil {
				return nil, err
			}
			joins = joinsOf(inspected)
		}
		now[other.ID] = joins
		if other.ID == c.ID || other.Labels[LabelFrom] == c.ID {
			continue
		}
		for _, join := range joins {
			if c.answersTo(join.what) {
				found = append(found, join.who+" ("+join.how+")")
			}
		}
	}
	j.keep(d, now)
	slices.Sort(found)
	return found, nil
}

// of returns what was seen at a daemon so far. Nobody writes to that map any more.
func (j *joinCache) of(d *daemon) map[string][]join {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.seen[d]
}

func (j *joinCache) keep(d *daemon, now map[string][]join) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.seen == nil {
		j.seen = make(map[*daemon]map[string][]join)
	}
	j.seen[d] = now
}

func joinsOf(c container) []join {
	var joins []join
	h := c.HostConfig
	for how, mode := range map[string]string{"network": h.NetworkMode, "ipc": h.IpcMode, "pid": h.PidMode} {
		if what, ok := strings.CutPrefix(mode, "container:"); ok {
			joins = append(joins, join{c.name(), how, what})
		}
	}
	for _, from := range h.VolumesFrom {
		what, _, _ := strings.Cut(from, ":")
		joins = append(joins, join{c.name(), "volumes-from", what})
	}
	for _, link := range h.Links { // "/other:/me/alias"
		what, _, _ := strings.Cut(link, ":")
		joins = append(joins, join{c.name(), "link", strings.TrimPrefix(what, "/")})
	}
	return joins
}

// answersTo reports whether ref, a name, an id or the start of one, means c.
func (c container) answersTo(ref string) bool {
	return ref != "" && (ref == c.name() || strings.HasPrefix(c.ID, ref))
}
