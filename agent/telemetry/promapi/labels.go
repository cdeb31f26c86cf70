package promapi

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	jsoniter "github.com/json-iterator/go"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
)

const wasCut = "results truncated due to limit"

func (a *api) series(r *http.Request) (answer, error) {
	if len(r.Form["match[]"]) == 0 {
		return answer{}, &fault{badRequest, errors.New("no match[] parameter provided")}
	}
	limit, err := limitParam(r, "limit")
	if err != nil {
		return answer{}, err
	}
	if limit == 0 || limit > maxSeries {
		limit = maxSeries
	}
	sets, err := a.selectors(r)
	if err != nil {
		return answer{}, err
	}
	mint, maxt, err := between(r)
	if err != nil {
		return answer{}, err
	}
	q, err := a.Queryable.Querier(mint, maxt)
	if err != nil {
		return answer{}, &fault{execution, err}
	}
	defer q.Close()
	found := map[uint64]labels.Labels{}
	cut := false
	for _, ms := range sets {
		// func "series" tells the storage that no samples are wanted.
		set := q.Select(r.Context(), false, &storage.SelectHints{Start: mint, End: maxt, Func: "series"}, ms...)
		for set.Next() {
			if len(found) > limit {
				cut = true
				break
			}
			ls := set.At().Labels()
			found[ls.Hash()] = ls.Copy()
		}
		if err := set.Err(); err != nil {
			return answer{}, &fault{execution, err}
		}
	}
	list := slices.SortedFunc(maps.Values(found), labels.Compare)
	ans := answer{}
	if cut || len(list) > limit {
		list, ans.warnings = list[:limit], []string{wasCut}
	}
	ans.data = func(s *jsoniter.Stream) { writeList(s, list, writeLabels) }
	return ans, nil
}

func (a *api) labelNames(r *http.Request) (answer, error) {
	return a.strings(r, func(q storage.Querier, h *storage.LabelHints, ms ...*labels.Matcher) ([]string, annotations.Annotations, error) {
		return q.LabelNames(r.Context(), h, ms...)
	})
}

func (a *api) labelValues(r *http.Request) (answer, error) {
	name := r.PathValue("name")
	if strings.HasPrefix(name, "U__") {
		name = model.UnescapeName(name, model.ValueEncodingEscaping)
	}
	if !model.UTF8Validation.IsValidLabelName(name) {
		return answer{}, &fault{badRequest, fmt.Errorf("invalid label name: %q", name)}
	}
	return a.strings(r, func(q storage.Querier, h *storage.LabelHints, ms ...*labels.Matcher) ([]string, annotations.Annotations, error) {
		return q.LabelValues(r.Context(), name, h, ms...)
	})
}

// strings lists the union of what ask finds for each selector, or for none.
func (a *api) strings(r *http.Request, ask func(storage.Querier, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error)) (answer, error) {
	limit, err := limitParam(r, "limit")
	if err != nil {
		return answer{}, err
	}
	sets, err := a.selectors(r)
	if err != nil {
		return answer{}, err
	}
	mint, maxt, err := between(r)
	if err != nil {
		return answer{}, err
	}
	q, err := a.Queryable.Querier(mint, maxt)
	if err != nil {
		return answer{}, &fault{execution, err}
	}
	defer q.Close()
	if len(sets) == 0 {
		sets = [][]*labels.Matcher{nil}
	}
	var all []string
	var ans answer
	for _, ms := range sets {
		// The limit comes last: the storage would cut before it sorts.
		list, warnings, err := ask(q, &storage.LabelHints{}, ms...)
		if err != nil {
			return answer{}, &fault{execution, err}
		}
		for _, w := range warnings.AsErrors() {
			ans.warnings = append(ans.warnings, w.Error())
		}
		for _, s := range list {
			all = append(all, strings.Clone(s)) // the storage's own bytes end with the querier
		}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	if limit > 0 && len(all) > limit {
		all, ans.warnings = all[:limit], append(ans.warnings, wasCut)
	}
	ans.data = func(s *jsoniter.Stream) { writeList(s, all, (*jsoniter.Stream).WriteString) }
	return ans, nil
}
