package monitor

import (
	"slices"
	"strings"
	"testing"
)

func TestRedactArgs(t *testing.T) {
	for _, test := range []struct{ name, args, want string }{
		{"nothing secret", "nats-lite -p 4222 --config my.conf", "nats-lite -p 4222 --config my.conf"},
		{"value behind", "-pass s3cret -D", "-pass [REDACTED] -D"},
		{"two dashes", "--pass s3cret", "--pass [REDACTED]"},
		{"value attached", "--pass=s3cret -auth=s3cret", "--pass=[REDACTED] -auth=[REDACTED]"},
		{"empty value attached", "--pass= x", "--pass=[REDACTED] x"},
		{"value with equals sign", "--auth=s3cret=s3cret", "--auth=[REDACTED]"},
		{"value like a flag", "-auth -s3cret -D", "-auth [REDACTED] -D"},
		{"value like the flag", "-auth -auth -D", "-auth [REDACTED] -D"},
		{"no value", "-auth", "-auth"},
		{"user is no secret", "--user joe", "--user joe"},
		{"longer flag", "--passive on", "--passive on"},
		{"no flag", "pass word", "pass word"},
		{"dashes alone", "- -- ---pass x", "- -- ---pass x"},
		{"route", "--routes nats://joe:s3cret@host:6222", "--routes nats://[REDACTED]@host:6222"},
		{"token in a URL", "--routes=nats://s3cret@host", "--routes=nats://[REDACTED]@host"},
		{
			"routes", "--routes nats://a,nats://joe:s3cret@b,nats://sue:s3cret@c,nats://d",
			"--routes nats://a,nats://[REDACTED]@b,nats://[REDACTED]@c,nats://d",
		},
		{"odd passwords", "--routes nats://j:s3cret,@s3cret/@a,nats://b", "--routes nats://[REDACTED]@a,nats://b"},
		{"mail address", "--name joe@example.com", "--name joe@example.com"},
	} {
		t.Run(test.name, func(t *testing.T) {
			args := strings.Fields(test.args)
			kept := slices.Clone(args)
			got := strings.Join(RedactArgs(args), " ")
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if !slices.Equal(args, kept) {
				t.Errorf("arguments were changed to %q", args)
			}
		})
	}
}

// FuzzRedactArgs: a secret stays hidden whatever stands around it.
func FuzzRedactArgs(f *testing.F) {
	const secret = "S3CRET"
	f.Add("nats-lite", "--routes=nats://a", "-D")
	f.Add("-x", "pass", "://")
	f.Fuzz(func(t *testing.T, before, around, after string) {
		if strings.Contains(before+around+after, secret) {
			return
		}
		for _, args := range [][]string{
			{"nats-lite", before, "--", "x", "-pass=" + around + secret + after},
			{"nats-lite", "-auth", around + secret + after, before},
			{"nats-lite", around + "://" + secret + "@" + after, before},
		} {
			if got := RedactArgs(args); len(got) != len(args) || strings.Contains(strings.Join(got, " "), secret) {
				t.Errorf("%q becomes %q", args, got)
			}
		}
	})
}
