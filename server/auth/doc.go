// Package auth decides who a connection is and what it may do. It sees no
// sockets: a connection's credentials go in as a Request, and an Identity with
// its permissions comes out, or an Error with the reason of the refusal.
//
// # Who is this
//
// An Authenticator is made from a Config and never changes; a reload makes
// another. It asks in this order, and the first method that applies decides
// alone:
//
//  1. A proxy signature must be by a trusted key, where such keys are known.
//     Where proxies are demanded of everybody, a connection without one ends
//     here.
//  2. Where no users, token or password are configured, everybody is admitted
//     to the global account, whatever they sent.
//  3. An nkey must be a known one and have signed the nonce.
//  4. With verify_and_map the client certificate names the user.
//  5. A connection without user, password and token is the no_auth_user.
//  6. A known user name needs its password.
//  7. The token, then the single user and password.
//
// A client that is refused is told nothing of the reason. Plain passwords and
// tokens are compared in constant time. Whether a user exists can be learnt from
// the time an answer takes, for an unknown user is refused at once and a bcrypt
// comparison is slow by design: user names are not secrets here, passwords are.
// For the same slowness nobody calls Authenticate while holding a lock.
//
// # What may it do
//
// Permissions are what a configuration says, Compiled is the same in the form
// that decides, shared by all connections of a user:
//
//   - CanPublish for each publish, on the subject that it finally goes to.
//   - CanSubscribe for each subscription. One that is wider than a deny entry is
//     granted, and NeedsDeliveryFilter then says that CanDeliver has to be asked
//     for each of its messages.
//   - Responses, one for each connection, remember the requests that were
//     delivered to it and let it answer those.
//
// Invariant: a message that is not allowed, or is denied, never passes both
// CanSubscribe and CanDeliver. The model test holds them to it.
//
// What is not here: the limits of accounts, tokens signed by operators and the
// callout to other services; and reserved subjects, which are rules of the
// protocol and not of a user.
package auth
