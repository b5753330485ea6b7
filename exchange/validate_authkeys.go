package exchange

// authKeys checks that a client whose users log in by key can link keys, and
// prove its requests: no other request leads to a code or a one-time token.
func (p *problems) authKeys(c *Client) {
	if c.AuthKeys == nil {
		if c.MayPresent(TypeOTP) || c.MayPresent(TypeOneTimeToken) {
			p.add("authKeys", "is missing; otp and one-time-token in proofs need it: signingKeys, which verify the requests that begin their logins")
		}
		return
	}
	if !c.MayPresent(TypeOTP) {
		p.add("proofs", "lacks otp, without which no key of authKeys can be linked to a user; add it")
	}
	if _, err := c.AuthKeys.Signers(); err != nil {
		p.add("authKeys.signingKeys", "%s", err)
	}
}
