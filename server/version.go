package server

import "runtime/debug"

// Version is the NATS server version whose behaviour this server has. Clients
// and the CLI compare it to find out what they can ask for.
const Version = "2.15.0"

// commit is the first seven characters of the commit that the binary was built
// from, "" if it was not recorded. The Makefile sets it.
var commit string

// Commit names the commit that the binary was built from, "" if unknown.
func Commit() string {
	if commit != "" {
		return commit
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 7 {
			return s.Value[:7]
		}
	}
	return ""
}
