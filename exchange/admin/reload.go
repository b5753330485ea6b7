package admin

import (
	"context"

	"cambio/exchange/audit"
)

// Reloaded is the outcome of reading a part of the configuration again.
type Reloaded struct {
	Part   string `json:"part"`
	Detail string `json:"detail,omitempty"`
	Error  string `json:"error,omitempty" doc:"Why the part stays as it was"`
}

type reloadedList struct {
	Parts []Reloaded `json:"parts"`
}

// reloadPath is that of a call that also mends an audit log.
const reloadPath = "/v1/server:reload"

// server registers the calls that concern the process.
func (a *api) server() {
	if a.cfg.Reload == nil {
		return
	}
	handle(a, "reload", "POST "+reloadPath, "Read the files of the configuration again", func(ctx context.Context, _ *struct{}) (reloadedList, error) {
		parts := a.cfg.Reload(ctx)
		a.note(ctx, audit.Event{Name: "admin.server.reload"})
		return reloadedList{nonNil(parts)}, nil
	})
}

// Reload has the server read the files of its configuration again.
func (c *Client) Reload(ctx context.Context) ([]Reloaded, error) {
	out, err := post[reloadedList](ctx, c, reloadPath, nil)
	return out.Parts, err
}
