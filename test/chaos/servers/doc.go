// Package servers runs a cluster of server processes and lets them be treated badly:
// killed, paused, cut off, their disks emptied. The binary is whatever takes a
// configuration of nats-server.
//
// On the loopback interface (Options.Network nil) servers share all addresses and can not be
// cut off. With a Network each lives in a network namespace of its own, joined to the
// others and to the clients by a bridge; that needs Linux, root and the ip command. Cutting
// has the one server send what is for the other to a hardware address that nobody
// has: it is lost without a word, in one direction, also on connections that stand.
//
//	10.N.M.254 bridge (clients) ──┬── 10.N.M.1 namespace of server 0
//	                              ├── 10.N.M.2 namespace of server 1
//	                              └── …
//
// Everything is in Options.Dir: a directory for each server with its configuration,
// log and store. Processes are ended by their handles, and by the kernel if the harness dies;
// namespaces that a harness has left that died are removed by the next one.
package servers
