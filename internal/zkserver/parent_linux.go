package zkserver

import (
	"os/exec"
	"syscall"
)

// EndWithParent lets the kernel kill what cmd starts when this process is gone, however it ended. A Ctrl-C at the
// terminal does not reach it: whoever started it decides when it ends.
func EndWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
