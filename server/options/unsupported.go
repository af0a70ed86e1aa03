package options

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nats-lite/nats-lite/conf"
)

// The blocks that the table of unsupported keys speaks of. The keys outside of
// any block are in "".
const (
	blockAuthorization = "authorization"
	blockAccount       = "account"
	blockTLS           = "tls"
	blockJetStream     = "jetstream"
)

// unsupportedKeys are keys of features that do not exist yet. To build a feature
// is to move its row to the table of its block.
var unsupportedKeys = []unsupportedKey{
	{"", "default_js_domain", "JetStream of another domain", emptyMap},
	{blockJetStream, "tpm", "keeping keys in a TPM", emptyMap},

	{"", "gateway", "a gateway", nil},
	{"", "leafnodes leaf", "the leafnode protocol", nil},

	{"", "websocket ws", "WebSocket", nil},
	{"", "mqtt", "MQTT", nil},

	{"", "operator operators root roots root_operator root_operators", operatorMode, nil},
	{"", "trusted_keys trusted", operatorMode, nil},
	{"", "resolver account_resolver accounts_resolver", operatorMode, nil},
	{"", "resolver_tls", operatorMode, nil},
	{"", "resolver_preload", operatorMode, nil},
	{"", "resolver_pinned_accounts", operatorMode, nil},
	{"", "default_sentinel", operatorMode, nil},
	{blockAuthorization, "auth_callout auth_hook", "auth callout", nil},

	{"", "ocsp", ocsp, ocspOff},
	{"", "ocsp_cache", ocsp, ocspCacheOff},
	{blockTLS, "ocsp_peer", ocsp, ocspPeerOff},
	{
		blockTLS, "cert_store cert_match_by cert_match ca_certs_match cert_match_skip_invalid",
		"the certificate store of Windows", nil,
	},
}

const (
	operatorMode = "operator mode"
	ocsp         = "OCSP"
)

type unsupportedKey struct {
	block   string
	names   string
	feature string
	// off reports whether a value switches the feature off, which is fine. It is
	// nil if none does.
	off func(*conf.Value) (bool, error)
}

// unsupported reports whether the key is one of a feature that does not exist,
// and whether its value asks for that feature, which becomes an error.
func (d *decoder) unsupported(block string, e *conf.Entry) (known, refused bool) {
	key := strings.ToLower(e.Key)
	i := slices.IndexFunc(unsupportedKeys, func(u unsupportedKey) bool {
		return u.block == block && slices.Contains(strings.Fields(u.names), key)
	})
	if i < 0 {
		return false, false
	}
	u := unsupportedKeys[i]
	if u.off != nil {
		off, err := u.off(e.Value)
		if err != nil {
			d.fail(e.Pos, "%v", err)
			return true, true
		}
		if off {
			return true, false
		}
	}
	d.fail(e.Pos, "%q: %v", key, errUnsupported(u.feature))
	return true, true
}

func errUnsupported(feature string) error {
	return fmt.Errorf("%s is not supported by this version of nats-lite", feature)
}

func emptyMap(v *conf.Value) (bool, error) {
	return v.Kind == conf.KindMap && len(v.Map.Entries()) == 0, nil
}

func ocspOff(v *conf.Value) (bool, error) {
	switch v.Kind {
	case conf.KindBool:
		return !v.Bool, nil
	case conf.KindMap:
		return has(v.Map, "mode", func(v *conf.Value) bool { return strings.EqualFold(v.Str, "never") }), nil
	}
	return false, fmt.Errorf("error parsing ocsp config: unsupported type %v", v.Kind)
}

func ocspCacheOff(v *conf.Value) (bool, error) {
	none := func(v *conf.Value) bool { return strings.EqualFold(v.Str, "none") }
	return isFalse(v) || v.Kind == conf.KindMap && has(v.Map, "type", none), nil
}

func ocspPeerOff(v *conf.Value) (bool, error) {
	return isFalse(v) || v.Kind == conf.KindMap && has(v.Map, "verify", isFalse), nil
}

func isFalse(v *conf.Value) bool { return v.Kind == conf.KindBool && !v.Bool }

func has(m *conf.Map, key string, is func(*conf.Value) bool) bool {
	e := m.Get(key)
	return e != nil && is(e.Value)
}
