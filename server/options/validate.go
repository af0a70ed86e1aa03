package options

import (
	"errors"
	"fmt"
	"strings"

	"github.com/nats-lite/nats-lite/server/auth"
)

// The mistakes whose texts appear in more than one place.
var (
	errServerName    = errors.New("server name cannot contain spaces")
	errUserAndToken  = errors.New("Cannot have a user/pass and token")
	errUserAndUsers  = errors.New("Can not have a single user/pass and a users array")
	errTokenAndUsers = errors.New("Can not have a token and a users array")
)

// Validate finds what is wrong across options, whoever set them. The error has
// a line per mistake.
func (o *Options) Validate() error {
	errs := []error{checkServerName(o.ServerName)}
	for _, check := range []func(*Options) error{
		checkListeners,
		checkLimits,
		checkDurations,
		checkAccounts,
		checkUsers,
		checkNoAuthUser,
		checkSystemAccount,
		checkProxies,
		checkMappings,
		checkSharing,
		checkCluster,
		checkJetStream,
	} {
		errs = append(errs, check(o))
	}
	return errors.Join(errs...)
}

func checkServerName(name string) error {
	if strings.Contains(name, " ") {
		return errServerName
	}
	return nil
}

func checkListeners(o *Options) error {
	for _, l := range []struct {
		key  string
		port int
	}{
		{"port", o.Port},
		{"http_port", o.HTTPPort},
		{"https_port", o.HTTPSPort},
		{"prof_port", o.ProfPort},
		{"cluster port", o.Cluster.Port},
	} {
		if l.port < -1 || l.port > 65535 {
			return fmt.Errorf("%s %d is not a port", l.key, l.port)
		}
	}
	if o.HTTPPort != 0 && o.HTTPSPort != 0 {
		return fmt.Errorf("can't specify both HTTP (%d) and HTTPs (%d) ports", o.HTTPPort, o.HTTPSPort)
	}
	if o.HTTPSPort != 0 && o.TLS == nil {
		return errors.New("TLS cert and key required for HTTPS")
	}
	if o.TLS != nil {
		// A server that speaks TLS without a certificate can greet nobody.
		if !hasCertificate(o.TLS) {
			return errors.New("TLS Server certificate must be present and valid")
		}
		if o.TLS.CertFile != "" && o.TLS.KeyFile == "" {
			return errors.New("TLS Server private key must be present and valid")
		}
		if err := checkTLS(o.TLS); err != nil {
			return err
		}
	}
	_, _, err := o.AdvertiseAddr(o.Port)
	return err
}

func checkLimits(o *Options) error {
	for _, limit := range []struct {
		key   string
		value int64
	}{
		{"max_control_line", int64(o.MaxControlLine)},
		{"max_payload", int64(o.MaxPayload)},
		{"max_closed_clients", int64(o.MaxClosedClients)},
		{"ping_max", int64(o.PingMax)},
		{"connect_error_reports", int64(o.ConnectErrorReports)},
		{"reconnect_error_reports", int64(o.ReconnectErrorReports)},
	} {
		if limit.value <= 0 {
			return fmt.Errorf("%s (%d) must be greater than zero", limit.key, limit.value)
		}
	}
	for _, limit := range []struct {
		key   string
		value int
	}{
		{"max_control_line", o.MaxControlLine}, {"max_payload", o.MaxPayload},
	} {
		if limit.value > maxSizeLimit {
			return fmt.Errorf("%s value is too big", limit.key)
		}
	}
	if int64(o.MaxPayload) > o.MaxPending {
		return fmt.Errorf("max_payload (%d) cannot be higher than max_pending (%d)", o.MaxPayload, o.MaxPending)
	}
	if o.MaxSubTokens < 0 || o.MaxSubTokens > maxSubTokensLimit {
		return fmt.Errorf("max_sub_tokens value %d is not between 0 and %d", o.MaxSubTokens, maxSubTokensLimit)
	}
	return nil
}

func checkDurations(o *Options) error {
	if o.PingInterval <= 0 {
		return fmt.Errorf("ping_interval (%v) must be greater than zero", o.PingInterval)
	}
	if o.WriteDeadline <= 0 {
		return fmt.Errorf("write_deadline (%v) must be greater than zero", o.WriteDeadline)
	}
	if o.LameDuckGracePeriod < 0 {
		return errors.New("invalid lame_duck_grace_period, needs to be positive")
	}
	if o.LameDuckGracePeriod >= o.LameDuckDuration {
		return fmt.Errorf("lame duck grace period (%v) should be strictly lower than lame duck duration (%v)",
			o.LameDuckGracePeriod, o.LameDuckDuration)
	}
	return nil
}

func checkAccounts(o *Options) error {
	for i, a := range o.Accounts {
		if err := checkAccountName(o.Accounts[:i], a.Name); err != nil {
			return err
		}
		if a.NKey != "" && !auth.ValidAccountKey(a.NKey) {
			return fmt.Errorf("Not a valid public nkey for an account: %q", a.NKey)
		}
		if a.TraceDest != "" && (a.TraceSampling < 1 || a.TraceSampling > 100) {
			return fmt.Errorf("Trace destination sampling value %d is invalid, needs to be [1..100]", a.TraceSampling)
		}
	}
	return nil
}

// checkAccountName says why there can be no account of the name beside others.
func checkAccountName(others []*Account, name string) error {
	switch {
	case name == "":
		return errors.New("an account needs a name")
	case name == auth.GlobalAccount:
		return fmt.Errorf("%q is a Reserved Account", name)
	case accountIndex(others, name) >= 0:
		return fmt.Errorf("Duplicate Account Entry: %s", name)
	}
	return nil
}

func checkUsers(o *Options) error {
	seen := make(map[string]struct{})
	for u, defaults := range o.users() {
		if err := checkUser(u); err != nil {
			return err
		}
		if err := claimUser(seen, u); err != nil {
			return err
		}
		for _, p := range []*auth.Permissions{u.Permissions, defaults} {
			if _, err := auth.Compile(p); err != nil {
				return fmt.Errorf("permissions of %q: %w", u.Username+u.NKey, err)
			}
		}
	}
	return o.Auth.checkExclusive(len(seen) > 0)
}

// checkExclusive demands at most one of user and password, token, and users.
func (a *Authorization) checkExclusive(users bool) error {
	single := a.Username != "" || a.Password != ""
	switch {
	case single && a.Token != "":
		return errUserAndToken
	case single && users:
		return errUserAndUsers
	case a.Token != "" && users:
		return errTokenAndUsers
	}
	return nil
}

func checkUser(u *auth.User) error {
	switch {
	case u.NKey == "" && u.Username == "":
		return errors.New("User entry requires a user")
	case u.NKey == "":
		return nil
	case u.Username != "" || u.Password != "":
		return errors.New("Nkey users do not take usernames or passwords")
	case !auth.ValidUserKey(u.NKey):
		return errors.New("Not a valid public nkey for a user")
	}
	return nil
}

// claimUser makes sure that a server has a name or nkey once.
func claimUser(seen map[string]struct{}, u *auth.User) error {
	if _, ok := seen[u.Username+u.NKey]; ok {
		if u.NKey != "" {
			return fmt.Errorf("Duplicate nkey %q detected", u.NKey)
		}
		return fmt.Errorf("Duplicate user %q detected", u.Username)
	}
	seen[u.Username+u.NKey] = struct{}{}
	return nil
}

func checkNoAuthUser(o *Options) error {
	if o.NoAuthUser == "" || o.hasUser(o.NoAuthUser) {
		return nil
	}
	for range o.users() {
		return fmt.Errorf("no_auth_user: %q not present as user or nkey in authorization block or account configuration",
			o.NoAuthUser)
	}
	return fmt.Errorf("no_auth_user: %q present, but users/nkeys are not defined", o.NoAuthUser)
}

func checkSystemAccount(o *Options) error {
	switch {
	case o.SystemAccount == "", o.SystemAccount == auth.GlobalAccount:
		return nil
	case o.SystemAccount == DefaultSystemAccount && !o.NoSystemAccount:
		return nil
	case accountIndex(o.Accounts, o.SystemAccount) < 0:
		return errors.New("error resolving system account: account missing")
	}
	return nil
}

func checkProxies(o *Options) error {
	for _, key := range o.TrustedProxies {
		if err := checkProxyKey(key); err != nil {
			return err
		}
	}
	return nil
}

func checkProxyKey(key string) error {
	if !auth.ValidPublicKey(key) {
		return fmt.Errorf("invalid proxy key %q", key)
	}
	return nil
}

func checkMappings(o *Options) error {
	all := [][]Mapping{o.Mappings}
	for _, a := range o.Accounts {
		all = append(all, a.Mappings)
	}
	for _, mappings := range all {
		for _, m := range mappings {
			if err := m.Validate(); err != nil {
				return fmt.Errorf("Error adding mapping for %q : %w", m.Source, err)
			}
		}
	}
	return nil
}
