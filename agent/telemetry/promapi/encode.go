package promapi

import (
	jsoniter "github.com/json-iterator/go"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/jsonutil"
)

// writeResult writes {"resultType": ..., "result": ...}.
func writeResult(s *jsoniter.Stream, v parser.Value) {
	s.WriteObjectStart()
	s.WriteObjectField("resultType")
	s.WriteString(string(v.Type()))
	s.WriteMore()
	s.WriteObjectField("result")
	switch v := v.(type) {
	case promql.Vector:
		writeList(s, v, writeSample)
	case promql.Matrix:
		writeList(s, v, writeSeries)
	case promql.Scalar:
		writePoint(s, v.T, v.V, nil)
	case promql.String:
		s.WriteArrayStart()
		jsonutil.MarshalTimestamp(v.T, s)
		s.WriteMore()
		s.WriteString(v.V)
		s.WriteArrayEnd()
	default:
		s.WriteNil()
	}
	s.WriteObjectEnd()
}

func writeList[T any](s *jsoniter.Stream, list []T, write func(*jsoniter.Stream, T)) {
	s.WriteArrayStart()
	for i, v := range list {
		if i > 0 {
			s.WriteMore()
		}
		write(s, v)
		flushBig(s)
	}
	s.WriteArrayEnd()
}

// flushBig hands what is written to the client, so that a large answer is not held in memory whole.
// An error sticks to the stream and shows at its end.
func flushBig(s *jsoniter.Stream) {
	if s.Buffered() > 64<<10 {
		_ = s.Flush()
	}
}

func writeSample(s *jsoniter.Stream, p promql.Sample) {
	s.WriteObjectStart()
	s.WriteObjectField("metric")
	writeLabels(s, p.Metric)
	s.WriteMore()
	if p.H == nil {
		s.WriteObjectField("value")
	} else {
		s.WriteObjectField("histogram")
	}
	writePoint(s, p.T, p.F, p.H)
	s.WriteObjectEnd()
}

func writeSeries(s *jsoniter.Stream, series promql.Series) {
	s.WriteObjectStart()
	s.WriteObjectField("metric")
	writeLabels(s, series.Metric)
	if len(series.Floats) > 0 {
		s.WriteMore()
		s.WriteObjectField("values")
		writeList(s, series.Floats, func(s *jsoniter.Stream, p promql.FPoint) { writePoint(s, p.T, p.F, nil) })
	}
	if len(series.Histograms) > 0 {
		s.WriteMore()
		s.WriteObjectField("histograms")
		writeList(s, series.Histograms, func(s *jsoniter.Stream, p promql.HPoint) { writePoint(s, p.T, 0, p.H) })
	}
	s.WriteObjectEnd()
}

func writePoint(s *jsoniter.Stream, t int64, f float64, h *histogram.FloatHistogram) {
	s.WriteArrayStart()
	jsonutil.MarshalTimestamp(t, s)
	s.WriteMore()
	if h != nil {
		jsonutil.MarshalHistogram(h, s)
	} else {
		jsonutil.MarshalFloat(f, s)
	}
	s.WriteArrayEnd()
}

func writeLabels(s *jsoniter.Stream, ls labels.Labels) {
	s.WriteObjectStart()
	first := true
	ls.Range(func(l labels.Label) {
		if !first {
			s.WriteMore()
		}
		first = false
		s.WriteObjectField(l.Name)
		s.WriteString(l.Value)
	})
	s.WriteObjectEnd()
}
