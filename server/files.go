package server

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
)

// writePidFile writes the process id to a file, if there is to be one.
func (s *Server) writePidFile(path string) error {
	if path == "" {
		return nil
	}
	if err := os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())), 0o660); err != nil {
		return fmt.Errorf("could not write pidfile: %w", err)
	}
	s.mu.Lock()
	s.pidFile = path
	s.mu.Unlock()
	return nil
}

// removePidFile removes the file if it is still this process's.
func (s *Server) removePidFile() {
	s.mu.Lock()
	path := s.pidFile
	s.pidFile = ""
	s.mu.Unlock()
	if path == "" {
		return
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != strconv.Itoa(os.Getpid()) {
		return
	}
	if err := os.Remove(path); err != nil {
		s.log.Warnf("Could not remove pidfile: %v", err)
	}
}

// writePortsFile writes the URLs to a file in dir, if there is to be one.
func (s *Server) writePortsFile(dir string) error {
	if dir == "" {
		return nil
	}
	exe := filepath.Base(os.Args[0])
	if runtime.GOOS == "windows" {
		exe = exe[:len(exe)-len(filepath.Ext(exe))]
	}
	path := filepath.Join(dir, fmt.Sprintf("%s_%d.ports", exe, os.Getpid()))
	text, err := json.MarshalIndent(s.Ports(), "", "\t")
	if err == nil {
		err = os.WriteFile(path, text, 0o666)
	}
	if err != nil {
		return fmt.Errorf("could not write ports file: %w", err)
	}
	s.mu.Lock()
	s.portsFile = path
	s.mu.Unlock()
	return nil
}

func (s *Server) removePortsFile() {
	s.mu.Lock()
	path := s.portsFile
	s.portsFile = ""
	s.mu.Unlock()
	if path == "" {
		return
	}
	if err := os.Remove(path); err != nil {
		s.log.Warnf("Could not remove ports file: %v", err)
	}
}
