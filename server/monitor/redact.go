package monitor

import (
	"slices"
	"strings"
)

const redacted = "[REDACTED]"

// secretFlags are the flags whose values let somebody in.
var secretFlags = []string{"auth", "pass"}

// RedactArgs returns a copy of a command line without its secrets: values of
// flags for passwords and tokens, and the user part of URLs anywhere. It would
// rather hide too much than too little.
func RedactArgs(args []string) []string {
	clean := make([]string, 0, len(args))
	secretNext := false
	for _, arg := range args {
		name, value, hasValue := strings.Cut(flagName(arg), "=")
		isSecret := slices.Contains(secretFlags, name)
		switch {
		case secretNext:
			// What looks like another flag is the value all the same: that is
			// how package flag reads it.
			clean = append(clean, redacted)
			secretNext = false
		case isSecret && hasValue:
			clean = append(clean, strings.TrimSuffix(arg, value)+redacted)
		default:
			clean = append(clean, redactURLs(arg))
			secretNext = isSecret
		}
	}
	return clean
}

// flagName returns what is behind the one or two dashes of a flag, "" for an
// argument that is none.
func flagName(arg string) string {
	name, isFlag := strings.CutPrefix(arg, "-")
	if !isFlag {
		return ""
	}
	return strings.TrimPrefix(name, "-")
}

// redactURLs hides the user part of all URLs in text, which may be a list. A URL
// is taken to reach to the start of the next one, so a password with commas,
// slashes or an @ in it is hidden as a whole.
func redactURLs(text string) string {
	const schemeEnd = "://"
	head, rest, found := strings.Cut(text, schemeEnd)
	var b strings.Builder
	b.WriteString(head)
	for found {
		var tail string
		tail, rest, found = strings.Cut(rest, schemeEnd)
		b.WriteString(schemeEnd)
		if at := strings.LastIndexByte(tail, '@'); at >= 0 {
			b.WriteString(redacted)
			tail = tail[at:]
		}
		b.WriteString(tail)
	}
	return b.String()
}
