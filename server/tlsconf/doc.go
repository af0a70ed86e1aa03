// Package tlsconf turns a tls {} block of the configuration into what crypto/tls
// needs to serve: certificates, client verification, pinned keys, versions,
// ciphers and curves.
//
// A Config is the block, checked for form. ServerConfig reads its files, through
// a function that the caller gives, and returns a *tls.Config that is complete:
// pins are checked inside the handshake. Nothing is watched or reloaded; who
// wants renewed files builds a new *tls.Config and uses it for the connections
// that come after.
//
// Beside it stand the tables of names that configurations and monitoring use for
// ciphers, curves and versions, and a Limiter for the rate of handshakes.
//
// What is not here: dialling out, OCSP, and certificate stores of an operating
// system.
package tlsconf
