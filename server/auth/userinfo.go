package auth

import "time"

// UserInfo is how a connection is told who it is: the data of the answer to
// $SYS.REQ.USER.INFO, in its JSON form.
type UserInfo struct {
	User        string           `json:"user"`
	Account     string           `json:"account"`
	AccountName string           `json:"account_name,omitempty"`
	UserName    string           `json:"user_name,omitempty"`
	Permissions *PermissionsInfo `json:"permissions,omitempty"`
	// Expires is how long the login still lasts, 0 for ever.
	Expires time.Duration `json:"expires,omitempty"`
}

// PermissionsInfo is the JSON form of Permissions. A part that is missing allows
// everything.
type PermissionsInfo struct {
	Publish   *SubjectPermissionInfo  `json:"publish,omitempty"`
	Subscribe *SubjectPermissionInfo  `json:"subscribe,omitempty"`
	Responses *ResponsePermissionInfo `json:"responses,omitempty"`
}

// SubjectPermissionInfo is the JSON form of a SubjectPermission. An allow list
// that is empty and allows nothing is written, one that is missing is not.
type SubjectPermissionInfo struct {
	Allow []string `json:"allow,omitzero"`
	Deny  []string `json:"deny,omitempty"`
}

// ResponsePermissionInfo is the JSON form of a ResponsePermission.
type ResponsePermissionInfo struct {
	Max int           `json:"max"`
	TTL time.Duration `json:"ttl"`
}

// Describe tells a connection about itself. Its permissions are the effective
// ones; lists are shared with the identity.
func (id *Identity) Describe() UserInfo {
	info := UserInfo{User: id.Name, Account: id.Account, AccountName: id.Account}
	if p := id.Permissions.Effective(); p != nil {
		info.Permissions = &PermissionsInfo{Publish: p.Publish.describe(), Subscribe: p.Subscribe.describe()}
		if p.Responses != nil {
			info.Permissions.Responses = &ResponsePermissionInfo{Max: p.Responses.MaxMsgs, TTL: p.Responses.Expires}
		}
	}
	return info
}

func (p *SubjectPermission) describe() *SubjectPermissionInfo {
	if p == nil {
		return nil
	}
	return &SubjectPermissionInfo{Allow: p.Allow, Deny: p.Deny}
}
