package assembly

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cambio/storage"
)

// IssuerChanged is the error of New for a store that belongs to another issuer.
type IssuerChanged struct {
	Stored, Configured string
}

func (e *IssuerChanged) Error() string {
	return fmt.Sprintf("the store belongs to the issuer %q, but %q is configured", e.Stored, e.Configured)
}

// ownIssuer is the record of the issuer whose tokens a store is about.
type ownIssuer struct {
	URL   string    `json:"url"`
	Since time.Time `json:"since"`
}

const ownIssuerKey = "issuer"

// checkIssuer refuses a store that another issuer wrote: APIs would refuse every
// token that is active, and those that its sessions get from now on, until they know
// the new issuer. A change from previous is meant.
func checkIssuer(ctx context.Context, c Config, table storage.Table[ownIssuer]) error {
	row, err := table.Get(ctx, ownIssuerKey)
	now := ownIssuer{c.Issuer, c.Now().UTC()}
	var w storage.Write
	switch stored := row.Value.URL; {
	case errors.Is(err, storage.ErrNotFound):
		w, err = table.Insert(ownIssuerKey, now)
	case err != nil || stored == c.Issuer:
	case stored != c.PreviousIssuer:
		return &IssuerChanged{stored, c.Issuer}
	default:
		c.Logger.Warn("the issuer changes; access tokens of the former one are invalid", "from", stored, "to", c.Issuer)
		w, err = table.Replace(row, now)
	}
	if err == nil && w.Key != "" {
		err = c.Engine.Commit(ctx, w)
	}
	if errors.Is(err, storage.ErrConflict) { // another node was first
		return checkIssuer(ctx, c, table)
	}
	return err
}
