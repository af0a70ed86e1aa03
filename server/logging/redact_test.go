package logging

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestRedactConnect(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"nothing secret", `{"verbose":false,"user":"u","jwt":"ey"}`, `{"verbose":false,"user":"u","jwt":"ey"}`},
		{
			"all secrets", `{"user":"u","pass":"p","auth_token":"t","sig":"s","nkey":"U","proxy_sig":"x","jwt":"j"}`,
			`{"user":"u","pass":"[REDACTED]","auth_token":"[REDACTED]","sig":"[REDACTED]","nkey":"[REDACTED]","proxy_sig":"[REDACTED]","jwt":"j"}`,
		},
		{"layout stays", "{ \"pass\" :\t\"p\" , \"lang\": \"go\" }", "{ \"pass\" :\t\"[REDACTED]\" , \"lang\": \"go\" }"},
		{"escaped value", `{"pass":"a\"b\\","x":1}`, `{"pass":"[REDACTED]","x":1}`},
		{"escaped key", `{"p\u0061ss":"p"}`, `{"p\u0061ss":"[REDACTED]"}`},
		{"case of the key", `{"Pass":"p","PAſS":"q"}`, `{"Pass":"[REDACTED]","PAſS":"[REDACTED]"}`},
		{"twice", `{"pass":"p","pass":"q"}`, `{"pass":"[REDACTED]","pass":"[REDACTED]"}`},
		{"other kinds of values", `{"pass":12,"sig":null,"nkey":{"a":["}"]},"auth_token":["x",{}]}`, `{"pass":"[REDACTED]","sig":"[REDACTED]","nkey":"[REDACTED]","auth_token":"[REDACTED]"}`},
		{"nested", `{"a":[{"pass":"p"}]}`, `{"a":[{"pass":"[REDACTED]"}]}`},
		{"the word as a value", `{"name":"pass","x":"sig"}`, `{"name":"pass","x":"sig"}`},
		{"no object", ` 17 `, ` 17 `},
		{"empty", ``, `[REDACTED] (0 bytes that are not JSON)`},
		{"cut off", `{"pass":"secr`, `[REDACTED] (13 bytes that are not JSON)`},
		{"wrong quotes", `{'pass':'p'}`, `[REDACTED] (12 bytes that are not JSON)`},
		{"more behind", `{}{"pass":"p"}`, `[REDACTED] (14 bytes that are not JSON)`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(RedactConnect([]byte(tt.in))); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// redactTree is the obvious way to do it, which loses the layout.
func redactTree(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key := range v {
			v[key] = redactTree(v[key])
			for _, f := range secretFields {
				if strings.EqualFold(key, f) {
					v[key] = redacted
				}
			}
		}
	case []any:
		for i := range v {
			v[i] = redactTree(v[i])
		}
	}
	return v
}

func FuzzRedactConnect(f *testing.F) {
	f.Add([]byte(`{"user":"u","pass":"p\"q","nested":{"sig":[1,{"a":"}"}],"x":null},"NKEY" : -1.5e3 }`))
	f.Add([]byte(`{"pass":"cut o`))
	f.Add([]byte(`["pass", {"p\u0061ss":true}]`))
	f.Fuzz(func(t *testing.T, in []byte) {
		before := bytes.Clone(in)
		out := RedactConnect(in)
		if !bytes.Equal(in, before) {
			t.Fatal("the input was changed")
		}
		if !json.Valid(in) {
			if !strings.HasPrefix(string(out), redacted+" (") {
				t.Fatalf("%q became %q", in, out)
			}
			return
		}
		var tree, got any
		if err := json.Unmarshal(in, &tree); err != nil {
			t.Skip(err) // Numbers out of range.
		}
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatalf("%q became %q: %v", in, out, err)
		}
		if want := redactTree(tree); !reflect.DeepEqual(got, want) {
			t.Fatalf("%q became %q", in, out)
		}
	})
}
