package server_test

import (
	"strings"
	"testing"
)

// What a subscription may be to, and what a message may be published to.
func TestSubjects(t *testing.T) {
	invalid := "-ERR 'Invalid Subject'\r\n"
	invalidPub := "-ERR 'Invalid Publish Subject'\r\n"
	pedantic := `"pedantic":true`
	runExchanges(t, []exchange{
		{name: "one token", send: lines("SUB a.*.c 1", "PUB a.b.c 0", "", "PUB a.c 0", "", "PUB a.b.b.c 0", ""), want: lines("MSG a.b.c 1 0", "")},
		{name: "tokens at the end", send: lines("SUB a.> 1", "PUB a.b 0", "", "PUB a.b.c 0", "", "PUB a 0", ""), want: lines("MSG a.b 1 0", "", "MSG a.b.c 1 0", "")},
		{name: "everything", send: lines("SUB > 1", "PUB a 0", "", "PUB a.b 0", ""), want: lines("MSG a 1 0", "", "MSG a.b 1 0", "")},
		{name: "one token that is everything", send: lines("SUB * 1", "PUB a 0", "", "PUB a.b 0", ""), want: lines("MSG a 1 0", "")},
		{name: "wildcards inside of tokens are none", send: lines("SUB a*.b> 1", "PUB a*.b> 0", "", "PUB ax.by 0", ""), want: lines("MSG a*.b> 1 0", "")},
		{name: "case matters", send: lines("SUB Aa 1", "PUB aa 0", "", "PUB Aa 0", ""), want: lines("MSG Aa 1 0", "")},
		{name: "bytes that are no text", send: lines("SUB \xff\x01.* 1", "PUB \xff\x01.\x80 0", ""), want: lines("MSG \xff\x01.\x80 1 0", "")},

		{name: "SUB: empty token", send: lines("SUB a..b 1"), want: invalid},
		{name: "SUB: empty token at the end", send: lines("SUB a. 1"), want: invalid},
		{name: "SUB: empty token at the beginning", send: lines("SUB .a 1"), want: invalid},
		{name: "SUB: a dot", send: lines("SUB . 1"), want: invalid},
		{name: "SUB: a token behind >", send: lines("SUB a.>.b 1"), want: invalid},
		{name: "SUB: invalid and not made", send: lines("SUB a..b 1", "SUB x 1", "PUB x 0", ""), want: invalid + lines("MSG x 1 0", "")},
		{name: "SUB: invalid and verbose", connect: "-", send: lines("SUB a..b 1"), want: invalid},

		{name: "PUB: wildcards are literal", send: lines("SUB a.> 1", "SUB a.x 2", "PUB a.* 0", "", "PUB a.> 0", ""), want: lines("MSG a.* 1 0", "", "MSG a.> 1 0", "")},
		{name: "PUB: an empty token matches nothing", send: lines("SUB > 1", "PUB a..b 0", "", "PUB a. 0", "", "PUB .a 0", "", "PUB . 0", "")},
		{name: "PUB, pedantic: wildcards", connect: pedantic, send: lines("SUB a.> 1", "PUB a.* 0", "", "PUB a.> 0", ""), want: invalidPub + lines("MSG a.* 1 0", "") + invalidPub + lines("MSG a.> 1 0", "")},
		{name: "PUB, pedantic: empty token", connect: pedantic, send: lines("SUB > 1", "PUB a..b 0", "", "PUB a. 0", "", "PUB .a 0", ""), want: strings.Repeat(invalidPub, 3)},
		{name: "PUB, pedantic: characters of wildcards", connect: pedantic, send: lines("SUB a* 1", "PUB a* 0", ""), want: lines("MSG a* 1 0", "")},
	})
}

func TestMaxSubTokens(t *testing.T) {
	const config = "max_sub_tokens: 3"
	tooMany := func(subject string) string {
		return `-ERR 'Permissions Violation for Subscription to "` + subject + `", too many tokens'` + "\r\n"
	}
	runExchanges(t, []exchange{
		{name: "as many", config: config, send: lines("SUB a.b.> 1", "PUB a.b.c 0", ""), want: lines("MSG a.b.c 1 0", "")},
		{name: "more", config: config, send: lines("SUB a.b.c.d 1"), want: tooMany("a.b.c.d")},
		{name: "more with a wildcard", config: config, send: lines("SUB a.b.c.> q 1"), want: tooMany("a.b.c.>")},
		{name: "publishing is not bounded", config: config, send: lines("SUB > 1", "PUB a.b.c.d.e 0", ""), want: lines("MSG a.b.c.d.e 1 0", "")},
	})
}

// Subjects that servers keep for themselves.
func TestReservedSubjects(t *testing.T) {
	pub := func(s string) string { return `-ERR 'Permissions Violation for Publish to "` + s + `"'` + "\r\n" }
	reply := func(s string) string {
		return `-ERR 'Permissions Violation for Publish with Reply of "` + s + `"'` + "\r\n"
	}
	var all []exchange
	for _, s := range []string{"_GR_.x", "$GR.x", "$NRG.x"} {
		all = append(all, exchange{name: "PUB " + s, send: lines("SUB > 1", "PUB "+s+" 0", ""), want: pub(s)})
	}
	for _, s := range []string{"_R_.x", "$JS.ACK.x", "_GR_.x", "$GR.x"} {
		all = append(all, exchange{name: "reply " + s, send: lines("SUB > 1", "PUB a "+s+" 0", ""), want: reply(s)})
	}
	for _, s := range []string{"$SYS.x", "$JS.API.x", "_INBOX.x", "$KV.x", "$O.x", "$SRV.x", "$MQTT.x", "_R_.x", "$NRGx", "_GR_", "$G.x"} {
		all = append(all,
			exchange{name: "PUB " + s, send: lines("SUB "+s+" 1", "PUB "+s+" 0", ""), want: lines("MSG "+s+" 1 0", "")})
	}
	all = append(all,
		exchange{name: "SUB with the servers' queue", send: lines("SUB a _sys_ 1", "PUB a 0", ""), want: `-ERR 'Permissions Violation for Subscription to "a" using queue "_sys_"'` + "\r\n"},
		exchange{name: "SUB to reserved subjects", send: lines("SUB _GR_.x 1", "SUB $NRG.> 2", "SUB $SYS.> 3"), want: ""},
		exchange{name: "$NRG in the system account", config: "accounts { S { users: [{user: s, password: s}] } }\nsystem_account: S", connect: as("s"), send: lines("SUB $NRG.x 1", "PUB $NRG.x 0", ""), want: lines("MSG $NRG.x 1 0", "")},
	)
	runExchanges(t, all)
}
