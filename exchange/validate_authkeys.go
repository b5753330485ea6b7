package exchange

// authKeys checks that a client whose users log in by key can link keys, and
// prove its requests.
func (p *problems) authKeys(c *Client) {
	if c.AuthKeys == nil {
		return
	}
	if !c.Brings(TypeOTP) {
		p.add("proofs", "lacks otp, without which no key of authKeys can be linked to a user; add it")
	}
	if _, err := c.AuthKeys.Signers(); err != nil {
		p.add("authKeys.signingKeys", "%s", err)
	}
}
