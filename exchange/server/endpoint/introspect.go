package endpoint

import (
	"encoding/json"
	"fmt"

	"cambio/exchange/server"
	"cambio/jwks/strictjson"
)

// introspect describes a token (RFC 7662 §2) to a client that has authenticated.
// Resource servers ask often, so only refusals are audited.
func (cfg Config) introspect() server.Endpoint {
	return server.Endpoint{
		Name: "introspect", Path: server.IntrospectPath, Event: "introspect",
		Caller: server.FormClient, Confidential: true, NeverReplayed: true, OnlyRefusals: true,
		Steps: server.Steps[string, []byte]{
			Read:  readToken,
			Check: checkToken,
			Run: func(r *server.Request, token *string) ([]byte, error) {
				found, err := cfg.Sessions.Introspect(r.Context(), *token, r.Now)
				if err != nil {
					return nil, err
				}
				body, err := json.Marshal(found)
				if err != nil {
					return nil, fmt.Errorf("writing introspection: %w", err)
				}
				return body, nil
			},
			Write: func(b strictjson.Buffer, body []byte) strictjson.Buffer { return append(b, body...) },
		},
	}
}
