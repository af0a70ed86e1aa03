// Package testcert makes certificates for tests: an authority, and servers and
// clients that it vouches for, as values in memory or as PEM files.
//
//	ca := testcert.NewCA(t, "test authority")
//	server := ca.Server(t, "localhost", "127.0.0.1")
//	certFile, keyFile := server.WriteFiles(t, t.TempDir())
//
// Certificates are valid from 1990 to 2090, so that they also hold on the
// virtual clock of testing/synctest, which starts in the year 2000.
package testcert
