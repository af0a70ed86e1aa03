package servers

import "syscall"

// attributes has the kernel end a server if the harness dies.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
