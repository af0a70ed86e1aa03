package options

import (
	"strconv"
	"strings"
	"time"

	"github.com/nats-lite/nats-lite/conf"
)

// exporting is an export while it is read: its kind may come behind the rest.
type exporting struct {
	Export
	// kind is "stream" or "service", "" while it is not known.
	kind string
	// responses, latency and trace are the keys that only services have.
	responses, latency, trace *conf.Entry
}

var exportBlock = newBlock("export", unknownField, []row[exporting]{
	{"stream", func(d *decoder, e *conf.Entry, x *exporting) { d.setExported(e, x, "stream", "service") }},
	{"service", func(d *decoder, e *conf.Entry, x *exporting) { d.setExported(e, x, "service", "stream") }},
	{"accounts", func(d *decoder, e *conf.Entry, x *exporting) {
		if !d.is(e.Value, conf.KindArray) {
			return
		}
		for _, v := range e.Value.List {
			if d.is(v, conf.KindString) {
				x.Accounts = append(x.Accounts, v.Str)
			}
		}
	}},
	{"account_token_position", number(func(x *exporting) *int { return &x.AccountTokenPosition })},
	{"response response_type", setResponseType},
	{"threshold response_threshold response_max_time response_time", setThreshold},
	{"latency", setLatency},
	{"allow_trace", func(d *decoder, e *conf.Entry, x *exporting) {
		x.trace = e
		toggle(func(x *exporting) *bool { return &x.AllowTrace })(d, e, x)
	}},
})

func setExports(d *decoder, e *conf.Entry, a *Account) {
	a.Exports = nil
	for v := range d.maps(e, "Exports should be an array, got %v", "Export Items should be a map with type entry, got %v") {
		var x exporting
		exportBlock.decode(d, v.Map, &x)
		if x.kind != "service" {
			for _, only := range []struct {
				e    *conf.Entry
				what string
			}{{x.responses, "response"}, {x.latency, "latency"}, {x.trace, "allow_trace"}} {
				if only.e != nil && x.kind == "stream" {
					d.fail(only.e.Pos, "Detected %s directive on non-service", only.what)
				}
			}
		}
		if x.kind != "" {
			x.Service = x.kind == "service"
			a.Exports = append(a.Exports, &x.Export)
		}
	}
}

func (d *decoder) setExported(e *conf.Entry, x *exporting, kind, other string) {
	switch {
	case x.kind == other:
		d.fail(e.Pos, "Detected %s %q but already saw a %s", kind, show(e.Value), other)
	case e.Value.Kind != conf.KindString:
		d.fail(e.Pos, "Expected %s name to be string, got %v", kind, e.Value.Kind)
	default:
		x.kind, x.Subject = kind, e.Value.Str
	}
}

func setResponseType(d *decoder, e *conf.Entry, x *exporting) {
	x.responses = e
	if e.Value.Kind != conf.KindString {
		d.fail(e.Pos, "Expected response type to be string, got %v", e.Value.Kind)
		return
	}
	switch strings.ToLower(e.Value.Str) {
	case "single", "singleton":
		x.Response = ResponseSingleton
	case "stream":
		x.Response = ResponseStream
	case "chunk", "chunked":
		x.Response = ResponseChunked
	default:
		d.fail(e.Pos, "Unknown response type: %q", e.Value.Str)
	}
}

func setThreshold(d *decoder, e *conf.Entry, x *exporting) {
	x.responses = e
	const expected = "Expected response threshold to be a parseable time duration, got "
	if e.Value.Kind != conf.KindString {
		d.fail(e.Pos, expected+"%v", e.Value.Kind)
		return
	}
	t, err := time.ParseDuration(e.Value.Str)
	if err != nil {
		d.fail(e.Pos, expected+"%q", e.Value.Str)
		return
	}
	x.Threshold = max(t, 0)
}

var latencyBlock = newBlock("latency", unknownField, []row[Latency]{
	{"subject", func(d *decoder, e *conf.Entry, l *Latency) {
		if e.Value.Kind != conf.KindString {
			d.fail(e.Pos, "Expected latency subject to be a string, got %v", e.Value.Kind)
			return
		}
		l.Subject = e.Value.Str
	}},
	{"sampling", setLatencySampling},
})

// setLatency takes the subject alone, or a map with the sampling too.
func setLatency(d *decoder, e *conf.Entry, x *exporting) {
	x.latency = e
	l := &Latency{Sampling: DefaultLatencySampling}
	switch e.Value.Kind {
	case conf.KindString:
		l.Subject = e.Value.Str
	case conf.KindMap:
		latencyBlock.decode(d, e.Value.Map, l)
		if e.Value.Map.Get("subject") == nil {
			d.fail(e.Pos, "Latency subject required, but missing")
			return
		}
	default:
		d.fail(e.Pos, "Expected latency entry to be a map/struct or string, got %v", e.Value.Kind)
		return
	}
	x.Latency = l
}

func setLatencySampling(d *decoder, e *conf.Entry, l *Latency) {
	var percent int64
	switch v := e.Value; v.Kind {
	case conf.KindInt:
		percent = v.Int
	case conf.KindString:
		if strings.EqualFold(strings.TrimSpace(v.Str), "headers") {
			l.Sampling = 0
			return
		}
		n, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(v.Str), "%")))
		if err != nil {
			d.fail(e.Pos, "Failed to parse latency sample: %v", err)
			return
		}
		percent = int64(n)
	default:
		d.fail(e.Pos, "Expected latency sample to be a string or map/struct, got %v", v.Kind)
		return
	}
	if percent < 1 || percent > 100 {
		d.fail(e.Pos, "bad sampling percentage, should be 1-100")
		return
	}
	l.Sampling = int(percent)
}

// importing is an import while it is read.
type importing struct {
	Import
	kind string
	// to and prefix are their keys, trace that of allow_trace.
	to, prefix, trace *conf.Entry
}

var importBlock = newBlock("import", unknownField, []row[importing]{
	{"stream", func(d *decoder, e *conf.Entry, x *importing) { d.setImported(e, x, "stream", "service") }},
	{"service", func(d *decoder, e *conf.Entry, x *importing) { d.setImported(e, x, "service", "stream") }},
	{"to", func(d *decoder, e *conf.Entry, x *importing) {
		x.to = e
		text(func(x *importing) *string { return &x.To })(d, e, x)
		d.notBoth(e, x)
	}},
	{"prefix", func(d *decoder, e *conf.Entry, x *importing) {
		x.prefix = e
		text(func(x *importing) *string { return &x.Prefix })(d, e, x)
		d.notBoth(e, x)
	}},
	{"share", toggle(func(x *importing) *bool { return &x.Share })},
	{"allow_trace", func(d *decoder, e *conf.Entry, x *importing) {
		x.trace = e
		toggle(func(x *importing) *bool { return &x.AllowTrace })(d, e, x)
	}},
})

// source is what an import names.
type source struct{ account, subject string }

var sourceBlock = newBlock("import source", unknownField, []row[source]{
	{"account", text(func(s *source) *string { return &s.account })},
	{"subject", text(func(s *source) *string { return &s.subject })},
})

func setImports(d *decoder, e *conf.Entry, a *Account) {
	a.Imports = nil
	for v := range d.maps(e, "Imports should be an array, got %v", "Import Items should be a map with type entry, got %v") {
		var x importing
		importBlock.decode(d, v.Map, &x)
		if x.kind == "service" {
			x.Service, x.Prefix = true, ""
			if x.trace != nil {
				d.fail(x.trace.Pos, "Detected allow_trace directive on a non-stream")
			}
			if err := duplicateService(a.Imports, &x.Import); err != nil {
				d.fail(v.Pos, "%v", err)
				continue
			}
		}
		if x.Account != "" {
			a.Imports = append(a.Imports, &x.Import)
		}
	}
}

// notBoth keeps a stream from having two names.
func (d *decoder) notBoth(e *conf.Entry, x *importing) {
	if x.kind != "service" && x.to != nil && x.prefix != nil {
		d.fail(e.Pos, "Stream import can not have a 'prefix' and a 'to' property")
	}
}

func (d *decoder) setImported(e *conf.Entry, x *importing, kind, other string) {
	if x.kind == other {
		d.fail(e.Pos, "Detected %s but already saw a %s", kind, other)
		return
	}
	if e.Value.Kind != conf.KindMap {
		title := strings.ToUpper(kind[:1]) + kind[1:]
		d.fail(e.Pos, "%s entry should be an account map, got %v", title, e.Value.Kind)
		return
	}
	var s source
	sourceBlock.decode(d, e.Value.Map, &s)
	if s.account == "" || s.subject == "" {
		d.fail(e.Pos, "Expect an account name and a subject")
		return
	}
	x.kind, x.Account, x.Subject = kind, s.account, s.subject
}
