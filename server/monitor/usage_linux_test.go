package monitor

import "testing"

func TestResidentPages(t *testing.T) {
	for _, test := range []struct {
		statm string
		want  int64
		ok    bool
	}{
		{"5120 1234 567 890 0 1111 0\n", 1234, true},
		{"1 2", 2, true},
		{"", 0, false},
		{"5120", 0, false},
		{"5120 many 1", 0, false},
	} {
		got, err := residentPages([]byte(test.statm))
		if got != test.want || (err == nil) != test.ok {
			t.Errorf("residentPages(%q) = %d, %v", test.statm, got, err)
		}
	}
}
