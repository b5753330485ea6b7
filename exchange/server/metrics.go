package server

import (
	"cmp"
	"fmt"
	"time"

	"cambio/exchange"

	"github.com/prometheus/client_golang/prometheus"
)

// granted is the outcome of a request that was not refused, replayed of one that
// got a stored response by its Idempotency-Key. The others are reasons, of which
// there is a closed set.
const (
	granted  = "granted"
	replayed = "replayed"
)

type metrics struct {
	requests *prometheus.CounterVec   // endpoint, outcome
	seconds  *prometheus.HistogramVec // endpoint
}

// meter has the metrics of an endpoint. That of the usual outcome is looked up once.
type meter struct {
	granted prometheus.Counter
	others  *prometheus.CounterVec // outcome
	seconds prometheus.Observer
}

func newMetrics(reg prometheus.Registerer, s *Server) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cambio_requests_total", Help: "Requests by endpoint and outcome: granted, replayed, or the reason of the refusal.",
		}, []string{"endpoint", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "cambio_request_duration_seconds", Help: "Time to answer, from the header to the last byte handed over.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"endpoint"}),
	}
	for _, c := range []prometheus.Collector{
		m.requests, m.seconds,
		gauge("cambio_requests_in_flight", "Requests being worked on.", s.gate.InFlight),
		gauge("cambio_requests_queued", "Requests waiting to be worked on.", s.gate.Queued),
		gauge("cambio_request_memory_bytes", "Memory of the requests with a body that are read, wait or are worked on, as it is counted for its bound.", s.intake.Bytes),
		gauge("cambio_requests_outside", "Requests waiting for an outside party: an issuer, a mail server, a webhook, a blockchain endpoint.", s.gate.Outside),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "cambio_audit_failed_total", Help: "Audit events that are lost: they could not be written.",
		}, func() float64 { return float64(s.cfg.Audit.Failed()) }),
		gauge("cambio_audit_writable", "1 if the last write of audit events succeeded, 0 while they cannot be written.", func() float64 {
			if s.cfg.Audit.Failure() != nil {
				return 0
			}
			return 1
		}),
	} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("registering metrics: %w", err)
		}
	}
	return m, nil
}

func gauge(name, help string, value func() float64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
}

func (m *metrics) meter(endpoint string) *meter {
	return &meter{
		granted: m.requests.WithLabelValues(endpoint, granted),
		others:  m.requests.MustCurryWith(prometheus.Labels{"endpoint": endpoint}),
		seconds: m.seconds.WithLabelValues(endpoint),
	}
}

// outcome returns the label of a request that was refused for a reason, or not.
func (r *Request) outcome(refusal exchange.Reason) string {
	if r.idempotency.replayed {
		return replayed
	}
	return cmp.Or(string(refusal), granted)
}

func (m *meter) observe(outcome string, took time.Duration) {
	m.seconds.Observe(took.Seconds())
	if outcome == granted {
		m.granted.Inc()
		return
	}
	m.others.WithLabelValues(outcome).Inc()
}
