package monitor

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// query reads typed values out of a query string. The first value that cannot
// be read is kept as err, and everything after it reads as absent. A parameter
// that is present but empty is absent.
type query struct {
	values url.Values
	err    error
}

// ConnzQuery reads the options of connz from a query string. They are not yet
// checked against each other.
func ConnzQuery(values url.Values) (ConnzOptions, error) {
	q := query{values: values}
	subs, detail := q.subs()
	opts := ConnzOptions{
		Sort:                SortKey(q.text("sort")),
		Auth:                q.boolean("auth"),
		Subscriptions:       subs,
		SubscriptionsDetail: detail,
		Offset:              q.integer("offset"),
		Limit:               q.integer("limit"),
		CID:                 q.id("cid"),
		MQTTClient:          q.text("mqtt_client"),
		State:               q.state(),
		User:                q.text("user"),
		Account:             q.text("acc"),
	}
	return opts, q.err
}

// RoutezQuery reads the options of routez from a query string.
func RoutezQuery(values url.Values) (RoutezOptions, error) {
	q := query{values: values}
	subs, detail := q.subs()
	return RoutezOptions{Subscriptions: subs, SubscriptionsDetail: detail}, q.err
}

// SubszQuery reads the options of subsz from a query string. They are not yet
// checked against each other.
func SubszQuery(values url.Values) (SubszOptions, error) {
	q := query{values: values}
	opts := SubszOptions{
		Offset:        q.integer("offset"),
		Limit:         q.integer("limit"),
		Subscriptions: q.boolean("subs"),
		Account:       q.text("acc"),
		Test:          q.text("test"),
	}
	return opts, q.err
}

// JszQuery reads the options of jsz from a query string.
func JszQuery(values url.Values) (JszOptions, error) {
	q := query{values: values}
	opts := JszOptions{
		Account:          q.text("acc"),
		Accounts:         q.boolean("accounts"),
		Streams:          q.boolean("streams"),
		Consumers:        q.boolean("consumers"),
		DirectConsumers:  q.boolean("direct-consumers"),
		Config:           q.boolean("config"),
		LeaderOnly:       q.boolean("leader-only"),
		Offset:           q.integer("offset"),
		Limit:            q.integer("limit"),
		RaftGroups:       q.boolean("raft"),
		StreamLeaderOnly: q.boolean("stream-leader-only"),
	}
	return opts, q.err
}

// RaftzQuery reads the options of raftz from a query string.
func RaftzQuery(values url.Values) (RaftzOptions, error) {
	q := query{values: values}
	return RaftzOptions{Account: q.text("acc"), Group: q.text("group")}, q.err
}

// HealthzQuery reads the options of healthz from a query string. They are not
// yet checked against each other.
func HealthzQuery(values url.Values) (HealthzOptions, error) {
	q := query{values: values}
	opts := HealthzOptions{
		JSEnabled:     q.boolean("js-enabled"),
		JSEnabledOnly: q.boolean("js-enabled-only"),
		JSServerOnly:  q.boolean("js-server-only"),
		JSMetaOnly:    q.boolean("js-meta-only"),
		Account:       q.text("account"),
		Stream:        q.text("stream"),
		Consumer:      q.text("consumer"),
		Details:       q.boolean("details"),
	}
	return opts, q.err
}

func (q *query) text(name string) string {
	if q.err != nil {
		return ""
	}
	return q.values.Get(name)
}

func (q *query) boolean(name string) bool {
	return readValue(q, name, "boolean", strconv.ParseBool)
}

func (q *query) integer(name string) int {
	return readValue(q, name, "int", strconv.Atoi)
}

func (q *query) id(name string) uint64 {
	return readValue(q, name, "uint64", func(text string) (uint64, error) {
		return strconv.ParseUint(text, 10, 64)
	})
}

// subs reads the parameter that is a boolean or the word detail.
func (q *query) subs() (list, detail bool) {
	if strings.EqualFold(q.text("subs"), "detail") {
		return true, true
	}
	return q.boolean("subs"), false
}

func (q *query) state() ConnState {
	text := q.text("state")
	switch strings.ToLower(text) {
	case "", "open":
		return ConnOpen
	case "closed":
		return ConnClosed
	case "any", "all":
		return ConnAny
	}
	q.err = queryError("Error decoding state for " + text)
	return ConnOpen
}

func readValue[T any](q *query, name, kind string, parse func(string) (T, error)) (value T) {
	text := q.text(name)
	if text == "" {
		return value
	}
	parsed, err := parse(text)
	if err != nil {
		q.err = queryError(fmt.Sprintf("Error decoding %s for '%s': %v", kind, name, err))
		return value
	}
	return parsed
}

// queryError is the text that answers a query string. It starts with a capital
// letter, because that is how people have seen it for years.
type queryError string

func (e queryError) Error() string { return string(e) }
