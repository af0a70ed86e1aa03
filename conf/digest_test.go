package conf

import (
	"crypto/sha256"
	"fmt"
	"testing"
)

func TestDigestIsOfTheValuesInJSON(t *testing.T) {
	for _, tt := range []struct{ name, text, json string }{
		{"nothing", "# comment", `{}`},
		{"kinds", "a: 1, b: 1.5, c: on, d: x, e: [], f: {}, g: 2006-01-02T15:04:05Z", `{"a":1,"b":1.5,"c":true,"d":"x","e":[],"f":{},"g":"2006-01-02T15:04:05Z"}`},
		{"sorted", "b: 1\na: 2\nB: 3", `{"B":3,"a":2,"b":1}`},
		{"escaped for HTML", `a: "<&>"`, `{"a":"\u003c\u0026\u003e"}`},
		{"not UTF-8", `a: "\xff"`, `{"a":"\ufffd"}`},
		{"variables and includes written out", "V: [1]\na: $V\nm { include vars.conf }", `{"V":[1],"a":[1],"m":{"X":5,"a":1,"y":5}}`},
		{"replaced keys left out", "a { x: 1 }\na { y: 1 }", `{"a":{"y":1}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := parseTest(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := c.Digest(), fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(tt.json+"\n"))); got != want {
				t.Errorf("digest of %q is %s, want that of %s", tt.text, got, tt.json)
			}
		})
	}
}

// Operators compare digests with those that nats-server -t prints.
func TestDigestIsTheOneOperatorsKnow(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"port: 4222", "sha256:797533ebd0dfba7d34a0f9337ecf147e442871f48ddfd07ed751575a5737267e"},
		{`server_name: "a<b>&"`, "sha256:abb91f5f8abd87ceb8d0987588acf84eef1123f45b3a312280ab47dc65af9485"},
		{"max_payload: 1Kib", "sha256:69d37599f3dcc020f444a403ec390fbe5dbf935801478cd99fc4370082d38df4"},
		{"a = 4222\nport: $a", "sha256:a8a6c2c541a493d7d41a8f47d3d8e0d7ed0f508141eef22e71e827a12705a8b5"},
		{"authorization { token: $2a$11$abc.def/gh }", "sha256:3380cc06b26fbbe7eb5b78c792affbb48ad43198f3f72235362547639e4bfb5f"},
	} {
		c, err := parseTest(tt.text)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Digest(); got != tt.want {
			t.Errorf("digest of %q is %s, want %s", tt.text, got, tt.want)
		}
	}
}
