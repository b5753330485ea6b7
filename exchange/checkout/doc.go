// Package checkout verifies that an invoice is the customer's before a checkout
// token is issued for it. A client's registration names the source: none (the
// client's own word counts), a list that operators maintain by the admin API, or
// the client's webhook.
//
// The webhook gets POST with a JSON object:
//
//	{"client_id":"shop","partner_id":"shop","customer_id":"c-1","invoice_id":"i-1",
//	 "request_id":"…","time":"2026-03-01T12:00:00Z"}
//
// and the header
//
//	Cambio-Signature: t=1772366400,v1=<64 hexadecimal digits>
//
// whose v1 is the HMAC-SHA256, by the secret of the registration, of the value
// of t, a period and the body as sent. A webhook compares it in constant time and
// refuses a t that is minutes away. It responds within 2 seconds with status 200 and
// {"accepted":true} or {"accepted":false} as application/json. In any other case no
// token is issued.
package checkout
