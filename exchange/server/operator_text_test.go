package server_test

import (
	"strings"
	"testing"

	"cambio/exchange"
)

// What an operator reads of a refusal says what to do about it, where the caller
// reads no more than the reason's own words.
func TestOperatorTextsSayWhatToDo(t *testing.T) {
	p := newWorld(t, patient)
	wrong := "ssk_" + strings.Repeat("A", 43)
	const jsonPath, refresh = "/auth/external/exchange", "/auth/refresh"
	rows := []struct {
		name, path, body string
		headers          []string
		code             exchange.Reason
		told             string
	}{
		{"no client", jsonPath, `{"token":"x"}`, nil, exchange.ReasonClientUnknown, "no X-API-Key"},
		{"half a pair", jsonPath, `{"token":"x"}`, []string{"X-Client-Id", "basic"}, exchange.ReasonClientUnknown, "no pair of headers …-Client-Id and …-Client-Secret"},
		{"no secret", jsonPath, `{"token":"x"}`, []string{"X-API-Key", "basic"}, exchange.ReasonClientUnknown, "neither X-Server-Secret"},
		{"another header", jsonPath, `{"token":"x"}`, []string{"X-API-Key", "basic", "X-Secret", wrong}, exchange.ReasonClientUnknown, "neither X-Server-Secret"},
		{"no assertion", jsonPath, `{"token":"x"}`, []string{"X-API-Key", "jwt"}, exchange.ReasonClientUnknown, "by private_key_jwt"},
		{"a page that may not refresh", refresh, `{"refreshToken":"x"}`, []string{"X-API-Key", "post", "Origin", page}, exchange.ReasonClientUnknown, "pageRefresh"},
		{"a client without a secret", jsonPath, `{"token":"x"}`, []string{"X-API-Key", "machine", "X-Server-Secret", wrong}, exchange.ReasonClientAuthenticationFailed, "cambio client rotate machine"},
		{"a wrong secret", jsonPath, `{"token":"x"}`, []string{"X-API-Key", "basic", "X-Server-Secret", wrong}, exchange.ReasonClientAuthenticationFailed, "the secret is wrong"},
	}
	for _, row := range rows {
		a := p.post(row.path, row.body, row.headers...)
		p.want(a, 401, row.code)
		if a.str("error_description") != row.code.Response().Description {
			t.Errorf("%s: the caller learns %s", row.name, a.text)
		}
	}
	p.want(p.post(jsonPath, `{"token":1}`, "X-API-Key", "web"), 400, exchange.ReasonParameterInvalid)
	events := p.events()
	if len(events) != len(rows)+1 {
		t.Fatalf("%d events of %d requests", len(events), len(rows)+1)
	}
	for i, row := range rows {
		if text := events[i]["error"].(string); !strings.Contains(text, row.told) {
			t.Errorf("%s: the operator reads %q, want %q in it", row.name, text, row.told)
		}
	}
	if text := events[len(rows)]["error"]; text != "PARAMETER_INVALID: token is not a string" {
		t.Errorf("of a malformed request the operator reads %q", text)
	}
}
