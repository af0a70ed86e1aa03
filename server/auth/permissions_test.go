package auth

import (
	"testing"
)

func mustCompile(tb testing.TB, p *Permissions) *Compiled {
	tb.Helper()
	c, err := Compile(p)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func allow(entries ...string) *SubjectPermission {
	return &SubjectPermission{Allow: append([]string{}, entries...)}
}

func deny(entries ...string) *SubjectPermission { return &SubjectPermission{Deny: entries} }

func TestCanPublish(t *testing.T) {
	for _, tc := range []struct {
		name    string
		perms   *Permissions
		yes, no []string
	}{
		{"no permissions", nil, []string{"a", "a.b"}, nil},
		{"only subscribe", &Permissions{Subscribe: allow()}, []string{"a"}, nil},
		{"empty allow list", &Permissions{Publish: allow()}, nil, []string{"a", "a.b"}},
		{
			"allow", &Permissions{Publish: allow("a", "b.*", "c.>")},
			[]string{"a", "b.x", "c.x", "c.x.y"},
			[]string{"b", "b.x.y", "c", "d", "a.a"},
		},
		{
			"deny", &Permissions{Publish: deny("a", "b.*")},
			[]string{"b", "b.x.y", "c"},
			[]string{"a", "b.x"},
		},
		{
			"both", &Permissions{Publish: &SubjectPermission{Allow: []string{"a.>"}, Deny: []string{"a.secret"}}},
			[]string{"a.b"},
			[]string{"a.secret", "b"},
		},
		{"wildcard as a whole token only", &Permissions{Publish: allow("a*")}, []string{"a*"}, []string{"ab"}},
		{"subject with wildcards is literal", &Permissions{Publish: allow("a.b")}, nil, []string{"a.*", "a.>"}},
		{"empty tokens", &Permissions{Publish: allow(">")}, []string{"a"}, []string{"a..b", ".a", "a."}},
		{"responses close publishing", &Permissions{Responses: &ResponsePermission{}}, nil, []string{"a"}},
		{
			"responses keep an allow list", &Permissions{Publish: allow("a"), Responses: &ResponsePermission{}},
			[]string{"a"},
			[]string{"b"},
		},
		{
			"responses close publishing with denies", &Permissions{Publish: deny("b"), Responses: &ResponsePermission{}},
			nil,
			[]string{"a", "b"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := mustCompile(t, tc.perms)
			for _, subj := range tc.yes {
				if !c.CanPublish([]byte(subj)) {
					t.Errorf("%q is refused", subj)
				}
			}
			for _, subj := range tc.no {
				if c.CanPublish([]byte(subj)) {
					t.Errorf("%q is allowed", subj)
				}
			}
		})
	}
}

func TestCanSubscribe(t *testing.T) {
	type sub struct{ subject, queue string }
	for _, tc := range []struct {
		name    string
		perm    *SubjectPermission
		yes, no []sub
	}{
		{"nothing said", nil, []sub{{"a", ""}, {">", "q"}}, nil},
		{"empty allow list", allow(), nil, []sub{{"a", ""}, {"a", "q"}}},
		{
			"allow covers wildcards", allow("foo.>"),
			[]sub{{"foo.*", ""}, {"foo.bar", ""}, {"foo.>", ""}},
			[]sub{{"foo", ""}, {"*.bar", ""}, {">", ""}},
		},
		{"allow of a literal", allow("foo.bar"), []sub{{"foo.bar", ""}}, []sub{{"foo.*", ""}}},
		{"allow of one token", allow("foo.*"), []sub{{"foo.*", ""}, {"foo.a", ""}}, []sub{{"foo.>", ""}}},
		{"allow plain", allow("foo"), []sub{{"foo", ""}, {"foo", "v1"}, {"foo", "v2"}}, nil},
		{"allow with queue", allow("foo v1"), []sub{{"foo", "v1"}}, []sub{{"foo", ""}, {"foo", "v2"}}},
		{
			"allow plain and with queue", allow("foo", "foo v1"),
			[]sub{{"foo", ""}, {"foo", "v1"}},
			[]sub{{"foo", "v2"}},
		},
		{
			"queue restricts only its subject", allow(">", "foo v1"),
			[]sub{{"foo", "v1"}, {"bar", "v2"}, {"foo", ""}},
			[]sub{{"foo", "v2"}},
		},
		{
			"queue wildcards", allow("foo *.dev", "bar v.>"),
			[]sub{{"foo", "a.dev"}, {"bar", "v.1.2"}},
			[]sub{{"foo", "a.prod"}, {"foo", "dev"}, {"bar", "w.1"}},
		},
		{"deny plain", deny("foo"), []sub{{"bar", ""}}, []sub{{"foo", ""}, {"foo", "v1"}}},
		{"deny with queue", deny("foo v1"), []sub{{"foo", ""}, {"foo", "v2"}}, []sub{{"foo", "v1"}}},
		{"deny plain and with queue", deny("foo", "foo v1"), nil, []sub{{"foo", ""}, {"foo", "v1"}, {"foo", "v2"}}},
		{"deny with queue wildcard", deny("foo *.prod"), []sub{{"foo", "a.dev"}}, []sub{{"foo", "a.prod"}}},
		{"deny narrower than the subscription", deny("foo.bar"), []sub{{"foo.*", ""}, {">", ""}}, []sub{{"foo.bar", ""}}},
		{
			"deny as wide as the subscription", deny("foo.*"),
			[]sub{{"foo", ""}, {">", ""}},
			[]sub{{"foo.*", ""}, {"foo.>", ""}, {"foo.a", ""}},
		},
		{
			"both", &SubjectPermission{Allow: []string{"foo.>"}, Deny: []string{"foo.x.>"}},
			[]sub{{"foo.>", ""}, {"foo.x", ""}},
			[]sub{{"foo.x.y", ""}, {"foo.x.*", ""}, {"bar", ""}},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := mustCompile(t, &Permissions{Subscribe: tc.perm})
			for _, s := range tc.yes {
				if !c.CanSubscribe(s.subject, s.queue) {
					t.Errorf("%q %q is refused", s.subject, s.queue)
				}
			}
			for _, s := range tc.no {
				if c.CanSubscribe(s.subject, s.queue) {
					t.Errorf("%q %q is allowed", s.subject, s.queue)
				}
			}
		})
	}
}

func TestDeliveryFilter(t *testing.T) {
	for _, tc := range []struct {
		name       string
		deny       []string
		sub, queue string
		needed     bool
		denied     []string
		delivered  []string
	}{
		{"nothing denied", nil, ">", "", false, nil, []string{"a"}},
		{"literal inside", []string{"foo.bar"}, "foo.*", "", true, []string{"foo.bar"}, []string{"foo.baz"}},
		{"literal outside", []string{"bar"}, "foo.*", "", false, nil, []string{"foo.bar"}},
		{"pattern that overlaps", []string{"*.bar"}, "foo.*", "", true, []string{"foo.bar"}, []string{"foo.x"}},
		{"pattern outside", []string{"bar.>"}, "foo.*", "", false, nil, []string{"foo.x"}},
		{"other queue", []string{"foo.bar v1"}, "foo.*", "v2", false, nil, []string{"foo.bar"}},
		{"plain subscription, entry with queue", []string{"foo.bar v1"}, "foo.*", "", false, nil, []string{"foo.bar"}},
		{"its queue", []string{"foo.bar v1"}, "foo.*", "v1", true, []string{"foo.bar"}, []string{"foo.x"}},
		{"literal subscription", []string{"foo.*"}, "bar", "", false, nil, []string{"bar"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := mustCompile(t, &Permissions{Subscribe: deny(tc.deny...)})
			if got := c.NeedsDeliveryFilter(tc.sub, tc.queue); got != tc.needed {
				t.Errorf("filter needed: %v, want %v", got, tc.needed)
			}
			for _, subj := range tc.denied {
				if c.CanDeliver([]byte(subj), tc.queue) {
					t.Errorf("%q is delivered", subj)
				}
			}
			for _, subj := range tc.delivered {
				if !c.CanDeliver([]byte(subj), tc.queue) {
					t.Errorf("%q is withheld", subj)
				}
			}
		})
	}
}

func TestCompileRefusesWhatIsNoSubject(t *testing.T) {
	for _, entry := range []string{"", " ", "a..b", "a.>.b", ".", "a q r", "a q..r"} {
		want := `subject "` + entry + `" is not a valid subject`
		if _, err := Compile(&Permissions{Subscribe: deny(entry)}); err == nil || err.Error() != want {
			t.Errorf("subscribe %q: error %v, want %s", entry, err, want)
		}
	}
	if _, err := Compile(&Permissions{Publish: allow("a q")}); err == nil {
		t.Error("a publish entry with a queue is accepted")
	}
}

func TestChecksDoNotAllocate(t *testing.T) {
	list := &SubjectPermission{Allow: []string{"a.b", "c.>", "d.*.e"}, Deny: []string{"c.x", "d.y.*", "c.q v1"}}
	c := mustCompile(t, &Permissions{Publish: list.withoutQueues(), Subscribe: list})
	subjects := [][]byte{[]byte("a.b"), []byte("c.1.2.3"), []byte("d.y.e"), []byte("nothing.matches.this")}
	if n := testing.AllocsPerRun(100, func() {
		for _, subj := range subjects {
			c.CanPublish(subj)
			c.CanDeliver(subj, "v1")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// withoutQueues is a publish list of the same plain entries.
func (p *SubjectPermission) withoutQueues() *SubjectPermission {
	return &SubjectPermission{Allow: p.Allow, Deny: p.Deny[:2]}
}

func TestEffectiveDoesNotChangeItsReceiver(t *testing.T) {
	p := &Permissions{Publish: deny("x"), Responses: &ResponsePermission{MaxMsgs: -1}}
	e := p.Effective()
	if p.Publish.Allow != nil || p.Responses.Expires != 0 {
		t.Errorf("receiver became %+v %+v", p.Publish, p.Responses)
	}
	if e.Publish.Allow == nil || len(e.Publish.Deny) != 1 || *e.Responses != (ResponsePermission{-1, DefaultResponseExpires}) {
		t.Errorf("effective is %+v %+v", e.Publish, e.Responses)
	}
}

func BenchmarkCanPublish(b *testing.B) {
	c := mustCompile(b, &Permissions{Publish: allow("orders.new", "orders.*.status", "telemetry.>")})
	subj := []byte("telemetry.device.12345.temperature")
	b.ReportAllocs()
	for b.Loop() {
		c.CanPublish(subj)
	}
}
