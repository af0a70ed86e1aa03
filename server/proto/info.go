package proto

import "encoding/json"

// Info is the JSON of INFO, as a client gets it. The order of the fields is
// that of the wire.
type Info struct {
	ServerID       string   `json:"server_id"`
	ServerName     string   `json:"server_name"`
	Version        string   `json:"version"`
	Proto          int      `json:"proto"`
	GitCommit      string   `json:"git_commit,omitempty"`
	GoVersion      string   `json:"go"`
	Host           string   `json:"host"`
	Port           int      `json:"port"`
	Headers        bool     `json:"headers"`
	AuthRequired   bool     `json:"auth_required,omitempty"`
	TLSRequired    bool     `json:"tls_required,omitempty"`
	TLSVerify      bool     `json:"tls_verify,omitempty"`
	TLSAvailable   bool     `json:"tls_available,omitempty"`
	MaxPayload     int      `json:"max_payload"`
	JetStream      bool     `json:"jetstream,omitempty"`
	ClientID       uint64   `json:"client_id,omitempty"`
	ClientIP       string   `json:"client_ip,omitempty"`
	Nonce          string   `json:"nonce,omitempty"`
	Cluster        string   `json:"cluster,omitempty"`
	ClusterDynamic bool     `json:"cluster_dynamic,omitempty"`
	Domain         string   `json:"domain,omitempty"`
	ConnectURLs    []string `json:"connect_urls,omitempty"`
	LameDuck       bool     `json:"ldm,omitempty"`
	// ConnectInfo marks the INFO that answers CONNECT and the first PING; the
	// two after it are in that one only.
	ConnectInfo   bool   `json:"connect_info,omitempty"`
	RemoteAccount string `json:"remote_account,omitempty"`
	IsSystem      bool   `json:"acc_is_sys,omitempty"`
	// APILevel is that of the JetStream API, and there even without JetStream.
	APILevel int    `json:"api_lvl,omitempty"`
	XKey     string `json:"xkey,omitempty"`
}

// Append appends the whole INFO line.
func (i *Info) Append(dst []byte) []byte { return AppendInfo(dst, encode(i)) }

// Connect is the JSON of CONNECT.
type Connect struct {
	Verbose      bool   `json:"verbose"`
	Pedantic     bool   `json:"pedantic"`
	Echo         bool   `json:"echo"`
	TLSRequired  bool   `json:"tls_required"`
	Name         string `json:"name"`
	Lang         string `json:"lang"`
	Version      string `json:"version"`
	Protocol     int    `json:"protocol"`
	Headers      bool   `json:"headers"`
	NoResponders bool   `json:"no_responders"`

	User     string `json:"user"`
	Pass     string `json:"pass"`
	Token    string `json:"auth_token"`
	JWT      string `json:"jwt"`
	NKey     string `json:"nkey"`
	Sig      string `json:"sig"`
	ProxySig string `json:"proxy_sig"`

	// Account and NewAccount are refused if set.
	Account    string `json:"account"`
	NewAccount bool   `json:"new_account"`
}

// DefaultConnect is what a client is before, or without, CONNECT.
var DefaultConnect = Connect{Verbose: true, Pedantic: true, Echo: true}

// ParseConnect reads CONNECT's argument. Fields that are not there have the
// values of DefaultConnect; unknown ones are ignored.
func ParseConnect(arg []byte) (Connect, error) { return decode(arg, DefaultConnect) }

// decode reads the fields that are there into v.
func decode[T any](arg []byte, v T) (T, error) {
	err := json.Unmarshal(arg, &v)
	return v, err
}

// encode is the JSON of INFO or CONNECT.
func encode(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic("proto: cannot be encoded: " + err.Error()) // they have no type that could fail
	}
	return text
}
