package options

import (
	"slices"
	"strconv"
	"strings"

	"github.com/nats-lite/nats-lite/conf"
	"github.com/nats-lite/nats-lite/server/auth"
	"github.com/nats-lite/nats-lite/server/subject"
)

var accountBlock = newBlock(blockAccount, unknownField, []row[Account]{
	{"nkey", setAccountNKey},
	{"users", func(d *decoder, e *conf.Entry, a *Account) {
		usersBlock(a.Name, func(a *Account) *[]*auth.User { return &a.Users })(d, e, a)
	}},
	{"default_permissions", permissions(
		func(a *Account) **auth.Permissions { return &a.DefaultPermissions })},
	{"limits", setAccountLimits},
	{"mappings maps", mappingsBlock(func(a *Account) *[]Mapping { return &a.Mappings })},
	{"msg_trace trace_dest", setAccountTrace},
	{"jetstream", setAccountJetStream},
	{"exports", setExports},
	{"imports", setImports},
})

// setAccounts takes a map of account blocks, or an array of names of accounts
// that have nothing but their name. Names keep their case.
func setAccounts(d *decoder, e *conf.Entry, o *Options) {
	o.Accounts = nil
	before := len(d.problems.Errors)
	switch e.Value.Kind {
	case conf.KindArray:
		for _, v := range e.Value.List {
			if d.is(v, conf.KindString) {
				d.addAccount(v.Pos, v.Str, o)
			}
		}
	case conf.KindMap:
		for _, item := range e.Value.Map.Entries() {
			if item.Value.Kind != conf.KindMap {
				if !item.UsedAsVariable {
					d.fail(item.Pos, "Expected map entries for accounts")
				}
				continue
			}
			if a := d.addAccount(item.Pos, item.Key, o); a != nil {
				accountBlock.decode(d, item.Value.Map, a)
			}
		}
	default:
		d.fail(e.Pos, "Expected accounts to be a map/struct or an array, got %v", e.Value.Kind)
	}
	if len(d.problems.Errors) == before {
		// What is wrong with an account makes others wrong, too.
		for _, err := range sharingErrors(o) {
			d.fail(e.Pos, "%v", err)
		}
	}
}

func (d *decoder) addAccount(pos conf.Pos, name string, o *Options) *Account {
	a := newAccount(name)
	if err := checkAccountName(o.Accounts, name); err != nil {
		d.fail(pos, "%v", err)
		return nil
	}
	o.Accounts = append(o.Accounts, a)
	return a
}

func newAccount(name string) *Account {
	return &Account{
		Name:   name,
		Limits: AccountLimits{MaxConn: -1, MaxSubs: -1, MaxPayload: -1, MaxLeafs: -1},
	}
}

func setAccountNKey(d *decoder, e *conf.Entry, a *Account) {
	if e.Value.Kind != conf.KindString || !auth.ValidAccountKey(e.Value.Str) {
		d.fail(e.Pos, "Not a valid public nkey for an account: %q", show(e.Value))
		return
	}
	a.NKey = e.Value.Str
}

var limitsBlock = newBlock("limits", "Unknown field %q parsing account limits", []row[AccountLimits]{
	{"max_connections max_conn", number(func(l *AccountLimits) *int { return &l.MaxConn })},
	{"max_subscriptions max_subs", number(func(l *AccountLimits) *int { return &l.MaxSubs })},
	{"max_payload max_pay", number(func(l *AccountLimits) *int { return &l.MaxPayload })},
	{"max_leafnodes max_leafs", number(func(l *AccountLimits) *int { return &l.MaxLeafs })},
})

func setAccountLimits(d *decoder, e *conf.Entry, a *Account) {
	if e.Value.Kind != conf.KindMap {
		d.fail(e.Pos, "Expected account limits to be a map/struct, got %s", show(e.Value))
		return
	}
	limitsBlock.decode(d, e.Value.Map, &a.Limits)
	// Any negative number says "no bound"; -1 is the one that users of
	// AccountLimits have to know.
	for _, limit := range []*int{&a.Limits.MaxConn, &a.Limits.MaxSubs, &a.Limits.MaxPayload, &a.Limits.MaxLeafs} {
		*limit = max(*limit, -1)
	}
}

// setAccountTrace takes the destination alone, or a map with the sampling too.
func setAccountTrace(d *decoder, e *conf.Entry, a *Account) {
	key := strings.ToLower(e.Key)
	switch e.Value.Kind {
	case conf.KindString:
		a.TraceDest = d.traceDest(e.Value)
	case conf.KindMap:
		a.TraceDest, a.TraceSampling = "", 0
		newBlock("msg_trace", "Unknown field %q parsing account message trace map/struct \""+key+"\"", []row[Account]{
			{"dest", setTraceDest},
			{"sampling", setTraceSampling},
		}).decode(d, e.Value.Map, a)
		if a.TraceDest == "" && a.TraceSampling != 0 {
			d.warn(e, "Trace destination sampling ignored since no destination was set")
			a.TraceSampling = 0
		}
	default:
		d.fail(e.Pos, "Expected account message trace %q to be a string or a map/struct, got %v", key, e.Value.Kind)
	}
	if a.TraceDest != "" {
		orDefault(&a.TraceSampling, DefaultTraceSampling)
	}
}

// traceDest returns a destination, or reports it and returns "".
func (d *decoder) traceDest(v *conf.Value) string {
	if !subject.IsLiteral(v.Str) {
		d.fail(v.Pos, "Trace destination %q is not valid", v.Str)
		return ""
	}
	return v.Str
}

func setTraceDest(d *decoder, e *conf.Entry, a *Account) {
	if e.Value.Kind != conf.KindString {
		d.fail(e.Pos, "Field %q should be a string, got %v", strings.ToLower(e.Key), e.Value.Kind)
		return
	}
	a.TraceDest = d.traceDest(e.Value)
}

func setTraceSampling(d *decoder, e *conf.Entry, a *Account) {
	var percent int64
	switch v := e.Value; v.Kind {
	case conf.KindInt:
		percent = v.Int
	case conf.KindString:
		n, err := parsePercent(v.Str)
		if err != nil {
			d.fail(e.Pos, "Invalid trace destination sampling value %q", v.Str)
			return
		}
		percent = n
	default:
		d.fail(e.Pos, "Trace destination sampling field %q should be an integer or a percentage, got %v",
			strings.ToLower(e.Key), v.Kind)
		return
	}
	if percent < 1 || percent > 100 {
		d.fail(e.Pos, "Trace destination sampling value %d is invalid, needs to be [1..100]", percent)
		return
	}
	a.TraceSampling = int(percent)
}

// parsePercent reads "50%" and "50".
func parsePercent(s string) (int64, error) {
	s = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(s), "%"))
	return strconv.ParseInt(s, 10, 64)
}

func accountIndex(accounts []*Account, name string) int {
	return slices.IndexFunc(accounts, func(a *Account) bool { return a.Name == name })
}
