// Package checkout knows whether an invoice is a customer's, before somebody
// gets a token for it. Who knows that is part of a client's registration:
// nobody (the client's own word counts), a list that operators keep here by the
// admin API, or a webhook of the client's.
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
// of t, a period and the body as it came. Whoever checks it compares in constant
// time, and refuses a t that is minutes away. It answers 200 with
// {"accepted":true} or {"accepted":false} as application/json within 2 seconds.
// Whatever else happens, nobody gets a token.
package checkout
