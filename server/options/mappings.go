package options

import (
	"github.com/nats-lite/nats-lite/conf"
	"github.com/nats-lite/nats-lite/server/subject"
)

var weightedBlock = newBlock("mapping", "Unknown field %q for mapping destination", []row[weighted]{
	{"destination dest", text(func(w *weighted) *string { return &w.Subject })},
	{"weight", setWeight},
	{"cluster", text(func(w *weighted) *string { return &w.Cluster })},
})

// weighted is a destination while it is read; the weight has no default.
type weighted struct {
	MapDestination
	hasWeight bool
}

// mappingsBlock stores a map of source subjects with one destination, which
// takes everything, or with weighted ones.
func mappingsBlock[T any](field func(*T) *[]Mapping) setter[T] {
	return func(d *decoder, e *conf.Entry, t *T) {
		if !d.is(e.Value, conf.KindMap) {
			return
		}
		mappings := make([]Mapping, 0, len(e.Value.Map.Entries()))
		for _, item := range e.Value.Map.Entries() {
			if m, ok := d.mapping(item); ok {
				mappings = append(mappings, m)
			}
		}
		*field(t) = mappings
	}
}

func (d *decoder) mapping(e *conf.Entry) (Mapping, bool) {
	m := Mapping{Source: e.Key}
	if !subject.IsValid(m.Source) {
		d.fail(e.Pos, "Subject %q is not a valid subject", m.Source)
		return m, false
	}
	before := len(d.problems.Errors)
	switch v := e.Value; v.Kind {
	case conf.KindString:
		m.Destinations = []MapDestination{{Subject: v.Str, Weight: 100}}
		if err := m.Validate(); err != nil {
			d.fail(e.Pos, "Error adding mapping for %q to %q : %v", m.Source, v.Str, err)
		}
		return m, len(d.problems.Errors) == before
	case conf.KindArray:
		for _, item := range v.List {
			d.addDestination(&m, item)
		}
	case conf.KindMap:
		d.addDestination(&m, v)
	default:
		d.fail(e.Pos, "Expected an entry for the mapping destination")
	}
	if len(d.problems.Errors) > before {
		return m, false
	}
	if err := m.Validate(); err != nil {
		d.fail(e.Pos, "Error adding mapping for %q : %v", m.Source, err)
		return m, false
	}
	return m, true
}

func (d *decoder) addDestination(m *Mapping, v *conf.Value) {
	if v.Kind != conf.KindMap {
		d.fail(v.Pos, "Expected an entry for the mapping destination")
		return
	}
	var w weighted
	before := len(d.problems.Errors)
	weightedBlock.decode(d, v.Map, &w)
	if len(d.problems.Errors) > before {
		return
	}
	if !w.hasWeight {
		d.fail(v.Pos, "Missing weight for mapping destination %q", w.Subject)
		return
	}
	m.Destinations = append(m.Destinations, w.MapDestination)
}

func setWeight(d *decoder, e *conf.Entry, w *weighted) {
	var percent int64
	switch v := e.Value; v.Kind {
	case conf.KindInt:
		percent = v.Int
	case conf.KindString:
		n, err := parsePercent(v.Str)
		if err != nil {
			d.fail(e.Pos, "Invalid weight %q for mapping destination", v.Str)
			return
		}
		percent = n
	default:
		d.fail(e.Pos, "Unknown entry type for weight of %s", show(v))
		return
	}
	if percent < 0 || percent > 100 {
		d.fail(e.Pos, "Invalid weight %d for mapping destination", percent)
		return
	}
	w.Weight, w.hasWeight = uint8(percent), true
}
