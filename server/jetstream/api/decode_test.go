package api

import (
	"testing"
)

func TestDecode(t *testing.T) {
	type request struct {
		Name string `json:"name"`
		Max  int32  `json:"max"`
	}
	const invalid = "invalid JSON: "
	for _, tc := range []struct {
		name, body string
		strict     bool
		want       request
		err        string
	}{
		{"an object", `{"name":"a","max":3}`, true, request{"a", 3}, ""},
		{"names in any case", `{"NAME":"a","mAx":3}`, true, request{"a", 3}, ""},
		{"white space", " \n{ \"name\" : \"a\" }\t", true, request{"a", 0}, ""},
		{"nothing", "", true, request{}, ""},
		{"nothing in an object", " { } ", true, request{}, ""},
		{"null", "null", true, request{}, ""},
		{"an unknown member", `{"foo":1}`, true, request{}, invalid + `json: unknown field "foo"`},
		{"an unknown member, leniently", `{"foo":1,"max":2}`, false, request{"", 2}, ""},
		{"a wrong type", `{"max":"x"}`, true, request{}, invalid + "json: cannot unmarshal string into Go struct field request.max of type int32"},
		{"a number out of range", `{"max":9999999999}`, true, request{}, invalid + "json: cannot unmarshal number 9999999999 into Go struct field request.max of type int32"},
		{"something else", `[]`, true, request{}, invalid + "json: cannot unmarshal array into Go value of type api.request"},
		{"no JSON", `hello`, true, request{}, invalid + "invalid character 'h' looking for beginning of value at offset 1"},
		{"no JSON, leniently", `hello`, false, request{}, invalid + "invalid character 'h' looking for beginning of value"},
		{"a torn object", `{"name":"a"`, true, request{}, invalid + "unexpected EOF"},
		{"more behind it", `{"name":"B"} x`, true, request{"B", 0}, invalid + "invalid character 'x' looking for beginning of value at offset 14"},
		{"another one behind it", `{"name":"B"} {}`, true, request{"B", 0}, invalid + "more than one value"},
		{"a comma too many", `{"name":"T",}`, true, request{}, invalid + "invalid character '}' looking for beginning of object key string at offset 13"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got request
			err := Decode([]byte(tc.body), tc.strict, &got)
			if text := described(err); text != tc.err {
				t.Errorf("error is %q, want %q", text, tc.err)
			}
			if err != nil && err.ErrCode != ErrInvalidJSON.ErrCode {
				t.Errorf("error code %d", err.ErrCode)
			}
			if err == nil && got != tc.want {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func described(err *Error) string {
	if err == nil {
		return ""
	}
	return err.Description
}

func TestBodyRules(t *testing.T) {
	for _, tc := range []struct {
		op   Op
		body string
		want *Error // Description is not compared
	}{
		{OpStreamDelete, "", nil},
		{OpStreamDelete, " { } ", nil},
		{OpStreamDelete, "null", ErrNotEmptyRequest},
		{OpStreamDelete, `{"x":1}`, ErrNotEmptyRequest},
		{OpConsumerInfo, "x", ErrNotEmptyRequest},
		{OpStreamMsgGet, "", ErrBadRequest},
		{OpStreamMsgGet, "{}", ErrBadRequest},
		{OpStreamMsgGet, "x", ErrInvalidJSON},
		{OpStreamMsgGet, `{"seq":1}`, nil},
		{OpStreamMsgGet, `{"x":1}`, ErrInvalidJSON},
		{OpStreamNames, "hello", nil},
		{OpStreamNames, "", nil},
		{OpStreamNames, `{"seq":"x"}`, ErrInvalidJSON},
		{OpStreamNames, `[]`, ErrInvalidJSON},
		{OpConsumerReset, `{"x":1}`, nil},
		{OpConsumerReset, `x`, ErrInvalidJSON},
		{OpStreamCreate, ``, nil},
		{OpStreamCreate, `{"x":1}`, ErrInvalidJSON},
	} {
		var v struct {
			Seq int `json:"seq"`
		}
		err := tc.op.Decode([]byte(tc.body), true, &v)
		if (err == nil) != (tc.want == nil) || err != nil && !err.Is(tc.want) {
			t.Errorf("%v with %q: %v, want %v", tc.op, tc.body, err, tc.want)
		}
	}
	if err := OpAccountInfo.Decode([]byte(`{"x":1}`), true, nil); err != nil {
		t.Errorf("a body that nobody reads: %v", err)
	}
}

func TestIsEmpty(t *testing.T) {
	for body, want := range map[string]bool{
		"": true, " \r\n\t": true, "{}": true, "{ \n }": true, " {}": true,
		"{": false, "}": false, "[]": false, "null": false, `{"a":1}`: false, "{}{}": false, "0": false,
	} {
		if got := IsEmpty([]byte(body)); got != want {
			t.Errorf("%q: %v", body, got)
		}
	}
}

func TestParseUint(t *testing.T) {
	for text, want := range map[string]uint64{
		"0": 0, "007": 7, "18446744073709551615": 1<<64 - 1, "18446744073709551610": 1<<64 - 6,
	} {
		if n, ok := parseUint(text); !ok || n != want {
			t.Errorf("%s is %d, %v", text, n, ok)
		}
	}
	for _, text := range []string{"", "-1", "+1", " 1", "1 ", "1.0", "x", "18446744073709551616", "18446744073709551620", "99999999999999999999", "/", ":"} {
		if n, ok := parseUint([]byte(text)); ok {
			t.Errorf("%q is %d", text, n)
		}
	}
}
