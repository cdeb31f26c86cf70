package sizing_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/engramd/engramd/agent/sizing"
	"github.com/engramd/engramd/node/api"
)

// TestFilesThatAreBehindAreNotMeasured: before a checkpoint the files hold next to nothing of what was written.
func TestFilesThatAreBehindAreNotMeasured(t *testing.T) {
	memtable := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" {
			fmt.Fprint(w, "# TYPE engram_memory_usage_bytes gauge\nengram_memory_usage_bytes{tier=\"hot\"} 100\nengram_memory_usage_bytes{tier=\"other\"} 23\n")
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"index_bytes": 500000, "memtable_bytes": %d, "spaces": [{"name": "default", "memories": 5000, "edges": 7, "file_bytes": 1000000, "vector_file_bytes": 0}]}`, memtable)
	}))
	defer srv.Close()
	c, err := api.NewClient(srv.URL, api.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, test := range []struct {
		memtable int
		told     bool
	}{{0, true}, {100000, true}, {100001, false}} {
		memtable = test.memtable
		m, err := sizing.MeasureNode(t.Context(), c, srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		if m.Memories != 5000 || m.Edges == nil || *m.Edges != 7 || m.AnonBytes == nil || *m.AnonBytes != 123 || m.HotBytes != nil {
			t.Errorf("%+v", m)
		}
		if (m.BaseBytes != nil) != test.told || test.told && *m.BaseBytes != 1000000 {
			t.Errorf("memtable of %d bytes: base %v", test.memtable, m.BaseBytes)
		}
	}
}
