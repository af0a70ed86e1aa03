//go:build unix && !linux

package servers

import "syscall"

// attributes has nothing to offer here: servers are left if the harness dies.
func attributes() *syscall.SysProcAttr { return nil }
