package options

import (
	"fmt"
	"strings"
	"time"

	"github.com/nats-lite/nats-lite/conf"
	"github.com/nats-lite/nats-lite/server/auth"
	"github.com/nats-lite/nats-lite/server/subject"
)

const unknownPermission = "Unknown field %q parsing permissions"

// The words import and export are those of a server's view of its peer: it
// imports what the other side publishes.
var permissionsBlock = newBlock("permissions", unknownPermission, []row[auth.Permissions]{
	{"publish pub import", subjects(checkPublishSubject,
		func(p *auth.Permissions) **auth.SubjectPermission { return &p.Publish })},
	{"subscribe sub export", subjects(checkSubscribeSubject,
		func(p *auth.Permissions) **auth.SubjectPermission { return &p.Subscribe })},
	{"allow_responses publish_allow_responses", setResponses},
})

func permissions[T any](field func(*T) **auth.Permissions) setter[T] {
	return func(d *decoder, e *conf.Entry, t *T) {
		if e.Value.Kind != conf.KindMap {
			d.fail(e.Pos, "Expected permissions to be a map/struct, got %s", show(e.Value))
			return
		}
		p := new(auth.Permissions)
		permissionsBlock.decode(d, e.Value.Map, p)
		*field(t) = p
	}
}

// subjectCheck returns a list entry in its plain form, or why it is none.
type subjectCheck func(string) (string, error)

// subjects stores a subject permission: one subject or an array of them, which
// are an allow list, or both lists in a map.
func subjects[T any](check subjectCheck, field func(*T) **auth.SubjectPermission) setter[T] {
	return func(d *decoder, e *conf.Entry, t *T) {
		p := new(auth.SubjectPermission)
		if e.Value.Kind == conf.KindMap {
			subjectMapBlock(check).decode(d, e.Value.Map, p)
		} else {
			subjectList(check, func(p *auth.SubjectPermission) *[]string { return &p.Allow })(d, e, p)
		}
		*field(t) = p
	}
}

func subjectMapBlock(check subjectCheck) *block[auth.SubjectPermission] {
	return newBlock("subject permissions",
		"Unknown field name %q parsing subject permissions, only 'allow' or 'deny' are permitted",
		[]row[auth.SubjectPermission]{
			{"allow", subjectList(check, func(p *auth.SubjectPermission) *[]string { return &p.Allow })},
			{"deny", subjectList(check, func(p *auth.SubjectPermission) *[]string { return &p.Deny })},
		})
}

// subjectList stores one subject or an array of them. An empty array is not nil.
func subjectList[T any](check subjectCheck, field func(*T) *[]string) setter[T] {
	return func(d *decoder, e *conf.Entry, t *T) {
		list := []*conf.Value{e.Value}
		switch e.Value.Kind {
		case conf.KindString:
		case conf.KindArray:
			list = e.Value.List
		default:
			d.fail(e.Pos, "Expected subject permissions to be a subject, or array of subjects, got %v", e.Value.Kind)
			return
		}
		subjects := make([]string, 0, len(list))
		for _, v := range list {
			if v.Kind != conf.KindString {
				d.fail(v.Pos, "Subject in permissions array cannot be cast to string")
				continue
			}
			s, err := check(v.Str)
			if err != nil {
				d.fail(v.Pos, "%v", err)
				continue
			}
			subjects = append(subjects, s)
		}
		*field(t) = subjects
	}
}

func checkPublishSubject(s string) (string, error) {
	if !subject.IsValid(s) {
		return "", fmt.Errorf("subject %q is not a valid subject", s)
	}
	return s, nil
}

// checkSubscribeSubject accepts "subject" and "subject queue".
func checkSubscribeSubject(s string) (string, error) {
	fields := strings.Fields(s)
	if len(fields) != 2 {
		return checkPublishSubject(s)
	}
	if _, err := checkPublishSubject(fields[0]); err != nil {
		return "", err
	}
	if !subject.IsValid(fields[1]) {
		return "", fmt.Errorf("queue %q is not a valid queue", fields[1])
	}
	return fields[0] + " " + fields[1], nil
}

var responsesBlock = newBlock("allow_responses", unknownPermission, []row[auth.ResponsePermission]{
	{"max max_msgs max_messages max_responses", number(
		func(r *auth.ResponsePermission) *int { return &r.MaxMsgs })},
	{"expires expiration ttl", setResponseExpires},
})

func setResponses(d *decoder, e *conf.Entry, p *auth.Permissions) {
	r := new(auth.ResponsePermission)
	switch v := e.Value; v.Kind {
	case conf.KindBool:
		if !v.Bool {
			p.Responses = nil
			return
		}
	case conf.KindMap:
		responsesBlock.decode(d, v.Map, r)
	default:
		d.fail(e.Pos, "error parsing response permissions, expected a boolean or a map")
		return
	}
	orDefault(&r.MaxMsgs, DefaultResponseMax)
	orDefault(&r.Expires, DefaultResponseExpires)
	p.Responses = r
}

func setResponseExpires(d *decoder, e *conf.Entry, r *auth.ResponsePermission) {
	if e.Value.Kind != conf.KindString {
		d.fail(e.Pos, "error parsing expires, not a duration string")
		return
	}
	value, err := time.ParseDuration(e.Value.Str)
	if err != nil {
		d.fail(e.Pos, "error parsing expires: %v", err)
		return
	}
	r.Expires = value
}
