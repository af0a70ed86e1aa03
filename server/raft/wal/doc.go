// Package wal is the write-ahead log that all raft groups of a server share.
package wal
