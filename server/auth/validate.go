package auth

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nkeys"
)

// connectionTypes are all transports, in the order of their constants.
var connectionTypes = []ConnectionType{
	ConnStandard, ConnWebsocket, ConnLeafnode, ConnLeafnodeWS, ConnMQTT, ConnMQTTWS, ConnInProcess,
}

// ParseConnectionType reads a name as configurations spell it, in any case.
func ParseConnectionType(name string) (ConnectionType, error) {
	t := ConnectionType(strings.ToUpper(name))
	if !slices.Contains(connectionTypes, t) {
		return "", fmt.Errorf("unknown connection type %q", name)
	}
	return t, nil
}

// AllowsConnection reports whether the user may come by the transport.
func (u *User) AllowsConnection(t ConnectionType) bool {
	return len(u.ConnectionTypes) == 0 || slices.Contains(u.ConnectionTypes, t)
}

// ValidUserKey reports whether s is a public nkey of a user ("U…").
func ValidUserKey(s string) bool { return nkeys.IsValidPublicUserKey(s) }

// ValidAccountKey reports whether s is a public nkey of an account ("A…").
func ValidAccountKey(s string) bool { return nkeys.IsValidPublicAccountKey(s) }

// ValidPublicKey reports whether s is a public nkey of any kind, as a trusted
// proxy has.
func ValidPublicKey(s string) bool { return nkeys.IsValidPublicKey(s) }

// WithDefaults returns the users with the defaults as the permissions of those
// who have none. Users are never changed: those who need it are copied. The
// result shares the rest with the argument; nil defaults return it as it is.
func WithDefaults(users []*User, defaults *Permissions) []*User {
	if defaults == nil {
		return users
	}
	out := slices.Clone(users)
	for i, u := range out {
		if u.Permissions == nil {
			withDefaults := *u
			withDefaults.Permissions = defaults
			out[i] = &withDefaults
		}
	}
	return out
}
