package telemetry

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/scrape"
)

// Bounds on the series that others can bring into the store. One costs about 3 KB for up to three
// hours.
const (
	defaultMaxSeries         = 100_000
	defaultMaxSeriesEndpoint = 25_000 // new ones of one endpoint in churnPeriod
	churnPeriod              = 2 * time.Hour
)

// A churn counts the new series of each endpoint over a period.
type churn struct {
	most, mostEndpoint atomic.Int64

	mu    sync.Mutex
	began time.Time
	n     map[*scrape.Target]int64
}

// admit counts one more series of an endpoint, or says why there cannot be one. inStore is how many
// there are of all.
func (c *churn) admit(inStore int64, endpoint *scrape.Target) error {
	if most := c.most.Load(); inStore >= most {
		return fmt.Errorf("%w: the store holds %d, and its limit is %d", errTooManySeries, inStore, most)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); c.n == nil || now.Sub(c.began).Abs() > churnPeriod {
		c.began, c.n = now, map[*scrape.Target]int64{}
	}
	c.n[endpoint]++
	if n, most := c.n[endpoint], c.mostEndpoint.Load(); n > most {
		return fmt.Errorf("%w: %d new ones from this endpoint in %s, and its limit is %d", errTooManySeries, n, churnPeriod, most)
	}
	return nil
}

// reports tells the few series by which a scrape reports: what says that an endpoint is in trouble
// must always find room.
func reports(ls labels.Labels) bool {
	name := ls.Get(model.MetricNameLabel)
	return name == "up" || strings.HasPrefix(name, "scrape_")
}
