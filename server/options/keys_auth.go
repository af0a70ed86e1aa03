package options

import (
	"time"

	"github.com/nats-lite/nats-lite/conf"
	"github.com/nats-lite/nats-lite/server/auth"
)

var authorizationBlock = newBlock(blockAuthorization, unknownField, []row[Authorization]{
	{"user username", text(func(a *Authorization) *string { return &a.Username })},
	{"password pass", text(func(a *Authorization) *string { return &a.Password })},
	{"token", text(func(a *Authorization) *string { return &a.Token })},
	{"timeout", loginTimeout(func(a *Authorization) *time.Duration { return &a.Timeout })},
	{"users", usersBlock(auth.GlobalAccount, func(a *Authorization) *[]*auth.User { return &a.Users })},
	{"default_permissions default_permission permissions", permissions(
		func(a *Authorization) **auth.Permissions { return &a.DefaultPermissions })},
	{"proxy_required", toggle(func(a *Authorization) *bool { return &a.ProxyRequired })},
})

func setAuthorization(d *decoder, e *conf.Entry, o *Options) {
	if !d.is(e.Value, conf.KindMap) {
		return
	}
	o.Auth = Authorization{Defined: true}
	authorizationBlock.decode(d, e.Value.Map, &o.Auth)
}

// checkAuthorization runs when all keys are read, because users of accounts
// count as well.
func (d *decoder) checkAuthorization(root *conf.Map, o *Options) {
	users := o.Auth.Users != nil
	for range o.users() {
		users = true
	}
	if err := o.Auth.checkExclusive(users); err != nil {
		d.fail(root.Get("authorization").Pos, "%v", err)
	}
}

// longAuthTimeout is where a timeout looks like a mistake.
const longAuthTimeout = 60 * time.Second

func loginTimeout[T any](field func(*T) *time.Duration) setter[T] {
	return func(d *decoder, e *conf.Entry, t *T) {
		value, ok := timeout(d, e, "authorization")
		if !ok {
			return
		}
		if value > longAuthTimeout {
			d.warn(e, "timeout of %s (%f seconds) is high, consider keeping it under 60 seconds. "+
				"possibly caused by unquoted duration; use '1m' instead of 1m, for example", e.Value.Text, value.Seconds())
		}
		*field(t) = value
	}
}

var userBlock = newBlock("user", unknownField, []row[auth.User]{
	{"user username", text(func(u *auth.User) *string { return &u.Username })},
	{"password pass", text(func(u *auth.User) *string { return &u.Password })},
	{"nkey", text(func(u *auth.User) *string { return &u.NKey })},
	{"permissions permission authorization", permissions(
		func(u *auth.User) **auth.Permissions { return &u.Permissions })},
	{"allowed_connection_types connection_types clients", setConnectionTypes},
	{"proxy_required", toggle(func(u *auth.User) *bool { return &u.ProxyRequired })},
})

// usersBlock stores an array of users, who get the account.
func usersBlock[T any](account string, field func(*T) *[]*auth.User) setter[T] {
	return func(d *decoder, e *conf.Entry, t *T) {
		if e.Value.Kind != conf.KindArray {
			d.fail(e.Pos, "Expected users field to be an array, got %s", show(e.Value))
			return
		}
		// Not nil even if empty: it excludes a single user all the same.
		users := make([]*auth.User, 0, len(e.Value.List))
		for _, v := range e.Value.List {
			if v.Kind != conf.KindMap {
				d.fail(v.Pos, "Expected user entry to be a map/struct, got %s", show(v))
				continue
			}
			u := &auth.User{Account: account}
			before := len(d.problems.Errors)
			userBlock.decode(d, v.Map, u)
			if len(d.problems.Errors) > before {
				continue // What is missing now may be what was wrong.
			}
			if err := checkUser(u); err != nil {
				d.fail(v.Pos, "%v", err)
				continue
			}
			if err := claimUser(d.users, u); err != nil {
				d.fail(v.Pos, "%v", err)
				continue
			}
			users = append(users, u)
		}
		*field(t) = users
	}
}

func setConnectionTypes(d *decoder, e *conf.Entry, u *auth.User) {
	list := []*conf.Value{e.Value}
	switch e.Value.Kind {
	case conf.KindString:
	case conf.KindArray:
		list = e.Value.List
	default:
		d.fail(e.Pos, "error parsing allowed connection types: unsupported type %v", e.Value.Kind)
		return
	}
	types := make([]auth.ConnectionType, 0, len(list))
	for _, v := range list {
		if v.Kind != conf.KindString {
			d.fail(v.Pos, "error parsing allowed connection types: unsupported type in array %v", v.Kind)
			continue
		}
		t, err := auth.ParseConnectionType(v.Str)
		if err != nil {
			d.fail(v.Pos, "%v", err)
			continue
		}
		types = append(types, t)
	}
	u.ConnectionTypes = types
}
