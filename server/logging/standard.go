package logging

import (
	"bytes"
	"log"
)

// StandardLogger returns a logger for parts of the standard library that want
// one of theirs, such as http.Server. What they have to say is mostly about
// clients who misbehave, so it is logged as limited warnings that share one key.
func (l *Logger) StandardLogger() *log.Logger {
	return log.New(standardWriter{l}, "", 0)
}

type standardWriter struct{ l *Logger }

// Write logs one message, with which log.Logger calls it once.
func (w standardWriter) Write(message []byte) (int, error) {
	w.l.LimitedWarnf("standard library", "%s", bytes.TrimSuffix(message, []byte{'\n'}))
	return len(message), nil
}
