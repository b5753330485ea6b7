package registry

import (
	"sync"
	"sync/atomic"

	"cambio/exchange"
)

// issuer is a record and, once somebody needed it, what was compiled of it.
// Compiling an issuer's expressions takes about as long as a few exchanges:
// with ten thousand issuers, too long to wait for at start.
type issuer struct {
	record  issuerRecord
	compile func(*issuer) *compiled

	mu   sync.Mutex // held while compiling
	made atomic.Pointer[compiled]
}

// compiled is what became of an issuer. One that was removed or has problems
// has no trust, so nobody gets in through it.
type compiled struct {
	trust    *exchange.CompiledIssuer
	problems []exchange.Problem
}

var unusable = &compiled{}

func (r *Registry) newIssuer(record issuerRecord) *issuer {
	return &issuer{record: record, compile: r.compileIssuer}
}

func (i *issuer) registered() bool { return i != nil && i.record.Removed.IsZero() }

// ready compiles when it is called first.
func (i *issuer) ready() *compiled {
	if i == nil {
		return unusable
	}
	if c := i.made.Load(); c != nil {
		return c
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if c := i.made.Load(); c != nil {
		return c
	}
	c := i.compile(i)
	i.made.Store(c)
	return c
}

// faults are the problems as far as they are known.
func (i *issuer) faults() []exchange.Problem {
	if c := i.made.Load(); c != nil {
		return c.problems
	}
	return nil
}

// close closes the keys. If nobody needed them so far, nobody will: a request
// that still has an older Snapshot finds the issuer unusable.
func (i *issuer) close() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if c := i.made.Load(); c == nil {
		i.made.Store(unusable)
	} else if c.trust != nil {
		closeKeys(c.trust.Keys)
	}
}

// compileIssuer gives the compiler plain secrets. The CompiledIssuer shows the record,
// in which they are sealed.
func (r *Registry) compileIssuer(i *issuer) *compiled {
	if !i.registered() {
		return unusable
	}
	plain, problems := r.unsealed(i.record.Issuer)
	if len(problems) > 0 {
		return &compiled{problems: problems}
	}
	trust, problems := r.cfg.CompileIssuer(plain)
	if len(problems) > 0 {
		if trust != nil {
			closeKeys(trust.Keys)
		}
		return &compiled{problems: problems}
	}
	trust.Issuer = &i.record.Issuer
	return &compiled{trust: trust}
}

func closeKeys(k exchange.KeySet) {
	if k != nil {
		k.Close()
	}
}
