package monitor

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"slices"
	"strings"
	"time"
)

// globalAccount is the account of everybody where none are configured. It goes
// without saying, so it is not said.
const globalAccount = "$G"

// Kind says what is at the other end of a connection.
type Kind string

// The kinds of connection that connz tells of.
const (
	KindClient   Kind = "Client"
	KindLeafnode Kind = "Leafnode"
)

// Transport says what a client's connection speaks.
type Transport string

// The transports. Leafnode connections have none.
const (
	TransportNATS      Transport = "nats"
	TransportWebsocket Transport = "websocket"
	TransportMQTT      Transport = "mqtt"
)

// Conn is what a Source tells of a connection at one moment, or of how it was
// when it was closed. In counters, in is from the other end to the server.
type Conn struct {
	CID       uint64
	Kind      Kind
	Transport Transport
	// IP and Port are those of the other end.
	IP   string
	Port int

	Start        time.Time
	LastActivity time.Time
	// Stop is zero while the connection is open; Reason says why it is not.
	Stop   time.Time
	Reason string
	// RTT is 0 until it has been measured.
	RTT time.Duration

	// PendingBytes wait to be written.
	PendingBytes      int64
	InMsgs, OutMsgs   int64
	InBytes, OutBytes int64
	// Stalls is how often the connection was held back as a fast producer.
	Stalls int64
	// NumSubs is the number of subscriptions, known without listing them.
	NumSubs int
	// Subs lists the subscriptions; nil when there are none. It is called after
	// the source has returned, for connections that are shown with theirs. Sub's
	// Account and AccountTag are not used here.
	Subs func() []Sub

	// Name, Lang and Version are what the client says of itself.
	Name, Lang, Version string

	// TLS is nil without TLS, and while the handshake is under way.
	TLS *tls.ConnectionState
	// TLSFirst is true if the handshake came before INFO.
	TLSFirst bool

	// User is the name that was given at login, also if it was refused. Secrets
	// that serve as a name, such as tokens, are left out by the source.
	User    string
	Account string
	// JWT is "" if it is a bearer's, which would let its reader in.
	JWT        string
	IssuerKey  string
	NameTag    string
	Tags       []string
	MQTTClient string
	// ProxyKey is the public nkey of the proxy that the connection came by.
	ProxyKey string
}

// ConnInfo is a connection as connz shows it.
type ConnInfo struct {
	CID            uint64        `json:"cid"`
	Kind           Kind          `json:"kind,omitempty"`
	Type           Transport     `json:"type,omitempty"`
	IP             string        `json:"ip"`
	Port           int           `json:"port"`
	Start          time.Time     `json:"start"`
	LastActivity   time.Time     `json:"last_activity"`
	Stop           time.Time     `json:"stop,omitzero"`
	Reason         string        `json:"reason,omitempty"`
	RTT            string        `json:"rtt"`
	Uptime         string        `json:"uptime"`
	Idle           string        `json:"idle"`
	Pending        int64         `json:"pending_bytes"`
	InMsgs         int64         `json:"in_msgs"`
	OutMsgs        int64         `json:"out_msgs"`
	InBytes        int64         `json:"in_bytes"`
	OutBytes       int64         `json:"out_bytes"`
	Stalls         int64         `json:"stalls,omitempty"`
	NumSubs        int           `json:"subscriptions"`
	Name           string        `json:"name,omitempty"`
	Lang           string        `json:"lang,omitempty"`
	Version        string        `json:"version,omitempty"`
	TLSVersion     string        `json:"tls_version,omitempty"`
	TLSCipher      string        `json:"tls_cipher_suite,omitempty"`
	TLSPeerCerts   []TLSPeerCert `json:"tls_peer_certs,omitempty"`
	TLSFirst       bool          `json:"tls_first,omitempty"`
	AuthorizedUser string        `json:"authorized_user,omitempty"`
	Account        string        `json:"account,omitempty"`
	Subs           []string      `json:"subscriptions_list,omitempty"`
	SubsDetail     []Sub         `json:"subscriptions_list_detail,omitempty"`
	JWT            string        `json:"jwt,omitempty"`
	IssuerKey      string        `json:"issuer_key,omitempty"`
	NameTag        string        `json:"name_tag,omitempty"`
	Tags           []string      `json:"tags,omitempty"`
	MQTTClient     string        `json:"mqtt_client,omitempty"`
	Proxy          *Proxy        `json:"proxy,omitempty"`
}

// TLSPeerCert names a certificate that the other end has shown. The digests are
// lower-case hex.
type TLSPeerCert struct {
	Subject    string `json:"subject"`
	SPKISHA256 string `json:"spki_sha256"`
	CertSHA256 string `json:"cert_sha256"`
}

// uptime is how long the connection has lived at now.
func (c *Conn) uptime(now time.Time) time.Duration {
	return c.end(now).Sub(c.Start)
}

// idle is how long nothing had happened at now.
func (c *Conn) idle(now time.Time) time.Duration {
	return c.end(now).Sub(c.LastActivity)
}

// end is now, or when the connection was closed.
func (c *Conn) end(now time.Time) time.Time {
	if c.Stop.IsZero() {
		return now
	}
	return c.Stop
}

// info formats the connection as opts want it at now.
func (c *Conn) info(opts *ConnzOptions, now time.Time) *ConnInfo {
	info := &ConnInfo{
		CID:          c.CID,
		Kind:         c.Kind,
		Type:         c.Transport,
		IP:           c.IP,
		Port:         c.Port,
		Start:        c.Start.UTC(),
		LastActivity: c.LastActivity.UTC(),
		Stop:         c.Stop.UTC(),
		Reason:       c.Reason,
		RTT:          c.RTT.String(),
		Uptime:       formatUptime(c.uptime(now)),
		Idle:         formatUptime(c.idle(now)),
		Pending:      c.PendingBytes,
		InMsgs:       c.InMsgs,
		OutMsgs:      c.OutMsgs,
		InBytes:      c.InBytes,
		OutBytes:     c.OutBytes,
		Stalls:       c.Stalls,
		NumSubs:      c.NumSubs,
		Name:         c.Name,
		Lang:         c.Lang,
		Version:      c.Version,
		MQTTClient:   c.MQTTClient,
		TLSFirst:     c.TLSFirst,
	}
	if c.TLS != nil {
		info.TLSVersion = strings.TrimPrefix(tls.VersionName(c.TLS.Version), "TLS ")
		info.TLSCipher = tls.CipherSuiteName(c.TLS.CipherSuite)
	}
	if c.ProxyKey != "" {
		info.Proxy = &Proxy{Key: c.ProxyKey}
	}
	if opts.Auth {
		c.addIdentity(info)
	}
	if opts.Subscriptions || opts.SubscriptionsDetail {
		c.addSubs(info, opts.SubscriptionsDetail)
	}
	return info
}

// addIdentity adds what only those see who ask for it: who the other end is.
func (c *Conn) addIdentity(info *ConnInfo) {
	info.AuthorizedUser = c.User
	if c.Account != globalAccount {
		info.Account = c.Account
	}
	info.JWT = c.JWT
	info.IssuerKey = c.IssuerKey
	info.NameTag = c.NameTag
	info.Tags = c.Tags
	if c.TLS == nil {
		return
	}
	for _, cert := range c.TLS.PeerCertificates {
		spki := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
		whole := sha256.Sum256(cert.Raw)
		info.TLSPeerCerts = append(info.TLSPeerCerts, TLSPeerCert{
			Subject:    cert.Subject.String(),
			SPKISHA256: hex.EncodeToString(spki[:]),
			CertSHA256: hex.EncodeToString(whole[:]),
		})
	}
}

func (c *Conn) addSubs(info *ConnInfo, detail bool) {
	if c.Subs == nil {
		return
	}
	subs := c.Subs()
	if detail {
		info.SubsDetail = slices.Clone(subs)
		for i := range info.SubsDetail {
			// The connection has said which account it is, to those who asked.
			info.SubsDetail[i].Account, info.SubsDetail[i].AccountTag = "", ""
		}
		return
	}
	for _, sub := range subs {
		info.Subs = append(info.Subs, sub.Subject)
	}
}
