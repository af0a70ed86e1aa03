// Package server is the composition root: it makes the parts of a NATS server
// from Options, starts and stops them, and joins them where one needs another.
// It decides nothing that a part could decide.
//
//	opts := options.New()
//	opts.Port = -1
//	s, err := server.New(opts)
//	if err == nil {
//		err = s.Start()
//	}
//	...
//	nc, err := nats.Connect(s.ClientURL())
//	...
//	s.Shutdown()
//
// What a reload may change is held in values that are replaced as a whole
// (Options, client.Settings, auth.Authenticator, the accounts): connections look
// at the current one when they need it, and no lock is shared with them.
package server
