package auth

import (
	"encoding/json"
	"testing"
	"time"
)

func TestDescribe(t *testing.T) {
	for _, tc := range []struct {
		name string
		id   Identity
		want string
	}{
		{"no permissions", Identity{Name: "u", Account: "A"}, `{"user":"u","account":"A","account_name":"A"}`},
		{"lists", Identity{Name: "u", Account: "A", Permissions: &Permissions{
			Publish:   &SubjectPermission{Allow: []string{"a"}, Deny: []string{"b"}},
			Subscribe: deny("c q"),
		}}, `{"user":"u","account":"A","account_name":"A","permissions":{"publish":{"allow":["a"],"deny":["b"]},"subscribe":{"deny":["c q"]}}}`},
		{
			"empty allow list",
			Identity{Name: "u", Account: "A", Permissions: &Permissions{Subscribe: allow()}},
			`{"user":"u","account":"A","account_name":"A","permissions":{"subscribe":{"allow":[]}}}`,
		},
		{
			"responses",
			Identity{Name: "u", Account: "A", Permissions: &Permissions{Responses: &ResponsePermission{MaxMsgs: 5, Expires: time.Second}}},
			`{"user":"u","account":"A","account_name":"A","permissions":{"publish":{"allow":[]},"responses":{"max":5,"ttl":1000000000}}}`,
		},
	} {
		got, err := json.Marshal(tc.id.Describe())
		if err != nil || string(got) != tc.want {
			t.Errorf("%s:\n got %s (%v)\nwant %s", tc.name, got, err, tc.want)
		}
	}
}
