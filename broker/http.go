package broker

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// httpServer serves /metrics, /livez, /readyz and, where Config.Profiles says so, /debug/pprof/.
type httpServer struct {
	listener net.Listener
	server   *http.Server
	done     chan struct{} // closed when Serve has returned
}

// startHTTP serves on ln until it is stopped.
func (b *Broker) startHTTP(ln net.Listener) *httpServer {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(b.met.registry, promhttp.HandlerOpts{
		MaxRequestsInFlight: 4,
		Timeout:             20 * time.Second,
	}))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ok\n")
	})
	mux.HandleFunc("GET /readyz", b.serveReady)
	// The address was checked as it was written; a name such as localhost can still mean anything (I-24).
	if addr, ok := ln.Addr().(*net.TCPAddr); b.cfg.Profiles == ProfilesOn && ok && addr.IP.IsLoopback() {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	s := &httpServer{
		listener: ln,
		done:     make(chan struct{}),
		server: &http.Server{
			Handler:           mux,
			ReadHeaderTimeout: 5 * time.Second,
			ReadTimeout:       10 * time.Second,
			WriteTimeout:      2 * time.Minute, // a CPU profile takes its time
			IdleTimeout:       time.Minute,
			MaxHeaderBytes:    16 << 10,
		},
	}
	go func() {
		defer close(s.done)
		if err := s.server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			b.log.Error("the HTTP listener failed; metrics and health are not served", "error", err)
		}
	}()
	return s
}

// stop ends the server, waiting for requests under way until ctx ends.
func (s *httpServer) stop(ctx context.Context) {
	if s == nil {
		return
	}
	if err := s.server.Shutdown(ctx); err != nil {
		_ = s.server.Close()
	}
	<-s.done
}

// serveReady answers 200 while clients should be sent here, else 503. With ?verbose it says why, in JSON.
func (b *Broker) serveReady(w http.ResponseWriter, r *http.Request) {
	report := b.report()
	status := http.StatusOK
	if !report.ready() {
		status = http.StatusServiceUnavailable
	}
	if !r.URL.Query().Has("verbose") {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(status)
		line := report.Status
		if report.Reason != "" {
			line += ": " + report.Reason
		}
		_, _ = io.WriteString(w, line+"\n")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(report)
}
