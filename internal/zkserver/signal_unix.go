//go:build unix

package zkserver

import (
	"fmt"
	"syscall"
)

// Pause stops the server as SIGSTOP does: its connections stay, nothing is answered.
func (s *Server) Pause() error { return s.signal(syscall.SIGSTOP) }

// Resume lets a paused server go on.
func (s *Server) Resume() error { return s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) error {
	if s.process == nil {
		return fmt.Errorf("zookeeper: server %d does not run", s.id)
	}
	if err := s.process.Process.Signal(sig); err != nil {
		return fmt.Errorf("zookeeper: %v to server %d: %w", sig, s.id, err)
	}
	return nil
}
