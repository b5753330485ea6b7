package exchange

import "encoding/json"

// Validate says what is wrong with the registration by itself, with paths
// relative to it. Schemas are compiled by package details.
func (t *DetailType) Validate() []Problem {
	const mostSchema = 16 << 10 // bytes
	p := &problems{}
	p.detailType("type", t.Type)
	if t.Type == DetailCheckout {
		p.add("type", "checkout is built in; give yours another name")
	}
	p.scope("scope", t.Scope)
	switch text, err := json.Marshal(t.Schema); {
	case len(t.Schema) == 0:
		p.add("schema", "is missing; write a JSON Schema such as {type: object, properties: {amount: {type: integer}}, required: [amount]}")
	case err != nil:
		p.add("schema", "is not JSON: %v", err)
	case len(text) > mostSchema:
		p.add("schema", "has %d bytes as JSON; at most %d are allowed", len(text), mostSchema)
	}
	return p.list
}

// detailType checks the name of a type (RFC 9396 §2.1): often an URL.
func (p *problems) detailType(path, name string) {
	const most = 255
	p.exact(path, name)
	if len(name) > most {
		p.add(path, "%s is longer than %d bytes", Quote(name), most)
	}
}
