package loop

import (
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/engramd/engramd/testenv"
)

// A Drain is what a workload itself says of its maintenance, over time.
type Drain struct {
	mu   sync.Mutex
	seen []testenv.Maintenance // each time that it was switched on
}

// WatchDrain asks a workload for its maintenance until the test ends. Answers that do not come are left out.
func WatchDrain(t testing.TB, url string) *Drain {
	w := &Drain{}
	stop, ended := make(chan struct{}), make(chan struct{})
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	go func() {
		defer close(ended)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			w.take(client, url)
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-ended
	})
	return w
}

func (w *Drain) take(client *http.Client, url string) {
	answer, err := client.Get(url + "/api/v1/admin/maintenance")
	if err != nil {
		return
	}
	defer answer.Body.Close()
	var m testenv.Maintenance
	if answer.StatusCode != http.StatusOK || json.NewDecoder(io.LimitReader(answer.Body, 1<<16)).Decode(&m) != nil || !m.Enabled {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.seen); n == 0 || !w.seen[n-1].Since.Equal(m.Since) {
		w.seen = append(w.seen, m)
	}
}

// Seen lists the times that maintenance was switched on, in order: the workload's own word, not that of who did it.
func (w *Drain) Seen() []testenv.Maintenance {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]testenv.Maintenance(nil), w.seen...)
}
