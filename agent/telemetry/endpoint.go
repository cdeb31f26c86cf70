package telemetry

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An Endpoint is one address that is scraped, as its last scrape left it.
type Endpoint struct {
	Job, Target string
	URL         string // without its query, which may hold a token
	LastAt      time.Time
	Err         error // of the last scrape, nil if it went well
}

// Endpoints lists what is scraped, in the order of the configuration. The first scrape of each is
// still to come where LastAt is zero.
func (t *Telemetry) Endpoints() []Endpoint {
	active := t.scraper.active()
	var all []Endpoint
	for _, pool := range slices.SortedFunc(maps.Keys(active), func(x, y string) int { return cmp.Compare(place(x), place(y)) }) {
		for _, one := range active[pool] {
			u := one.URL()
			u.RawQuery = ""
			all = append(all, Endpoint{one.GetValue("job"), one.GetValue("target"), u.String(), one.LastScrape(), one.LastError()})
		}
	}
	return all
}

// place is where the configuration has the scrape of a pool.
func place(pool string) int {
	number, _, _ := strings.Cut(pool, " ")
	n, _ := strconv.Atoi(number) // every pool begins with one
	return n
}
