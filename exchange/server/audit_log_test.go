package server_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/exchange/audit"
	"cambio/exchange/grant"
	"cambio/exchange/server"
)

// failWrites makes writes of the audit log fail with err, or succeed.
func (p *world) failWrites(err error) {
	p.audited.mu.Lock()
	defer p.audited.mu.Unlock()
	p.audited.err = err
}

// breakAudit fills the disk of the audit log.
func (p *world) breakAudit() {
	p.failWrites(errors.New("no space left on device"))
	_ = p.audit.Write(&audit.Event{Name: "test"})
	for p.audit.Failure() == nil {
		time.Sleep(time.Millisecond)
	}
}

// Nothing is decided while decisions cannot be recorded; documents are served.
func TestUnwritableAuditLogRefusesDecisions(t *testing.T) {
	decided := 0
	p := newWorld(t, func(cfg *server.Config) {
		next := cfg.GrantTokens
		cfg.GrantTokens = func(ctx context.Context, r *grant.Request, now time.Time) (*grant.Response, error) {
			decided++
			return next(ctx, r, now)
		}
	})
	exchangeIt := func() answer { return p.form("/oauth/token", exchangeParams(p.idToken(), "client_id", "web")) }
	p.breakAudit()
	refused := exchangeIt()
	p.want(refused, 503, exchange.ReasonAuditUnavailable)
	if refused.header.Get("Retry-After") == "" || decided != 0 || p.gauge("cambio_audit_writable") != 0 {
		t.Errorf("Retry-After %q, %d decisions, writable %v", refused.header.Get("Retry-After"), decided, p.gauge("cambio_audit_writable"))
	}
	for _, path := range jsonPaths() {
		p.want(p.post(path, `{}`), 503, exchange.ReasonAuditUnavailable)
	}
	p.want(p.do("GET", "/.well-known/jwks.json", ""), 200, "")
	p.failWrites(nil)
	for p.audit.Failure() != nil {
		time.Sleep(time.Millisecond)
	}
	p.want(exchangeIt(), 200, "")
	if p.gauge("cambio_audit_writable") != 1 {
		t.Error("the audit log is written again, and the gauge does not say so")
	}
}

// A decision that was made when the log broke is withheld, and recorded later.
func TestDecisionWithoutEventIsWithheld(t *testing.T) {
	var p *world
	p = newWorld(t, func(cfg *server.Config) {
		next := cfg.GrantTokens
		cfg.GrantTokens = func(ctx context.Context, r *grant.Request, now time.Time) (*grant.Response, error) {
			p.breakAudit()
			return next(ctx, r, now)
		}
	})
	resp := p.form("/oauth/token", exchangeParams(p.idToken(), "client_id", "web"))
	p.want(resp, 503, exchange.ReasonAuditUnavailable)
	p.failWrites(nil)
	for p.audit.Failure() != nil {
		time.Sleep(time.Millisecond)
	}
	p.audit.Close()
	if !strings.Contains(p.audited.String(), `"event":"token"`) || p.audit.Failed() != 0 {
		t.Errorf("%d events are lost: %s", p.audit.Failed(), p.audited)
	}
}
