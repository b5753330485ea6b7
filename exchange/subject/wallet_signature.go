package subject

import (
	"context"
	"errors"
	"strings"
	"time"

	"cambio/exchange"
	"cambio/exchange/wallet"
	"cambio/exchange/walletlogin"
)

// Wallets are the challenges that wallets answer. Errors are of type
// *exchange.Error but for the store's own.
type Wallets interface {
	// Challenge is the challenge of a challengeId that the client may answer.
	Challenge(ctx context.Context, challengeID string, client *exchange.Client, now time.Time) (walletlogin.Challenge, error)
	// Failed counts a signature that was not the account's.
	CountFailure(ctx context.Context, c walletlogin.Challenge, now time.Time) error
}

// Contracts asks the contract at an account's address about a signature, by the
// JSON-RPC endpoint at url (EIP-1271). Errors wrap those of package wallet.
type Contracts interface {
	Verify(ctx context.Context, url string, a wallet.Account, message, signature string) error
}

// walletSignature takes the signature of a wallet over a message of ours:
// base64url JSON {challengeId, walletAddress, signature, publicKey?,
// walletType?}.
//
// The subject is the account by its CAIP-10 identifier, in the client's own
// namespace. The user is that of the client session, if the backend that opened
// it named one, or if another account was proven in it before. The client's
// secret that opened it is the key of the proof.
func (v *Verifier) walletSignature(ctx context.Context, l *list, token exchange.SubjectToken, now time.Time) (*exchange.Subject, *exchange.CompiledIssuer) {
	client := l.broughtBy(token)
	if client == nil {
		return nil, nil
	}
	trust := exchange.FirstPartyIssuer(client, token.Type)
	w := l.walletProof(token)
	c := v.walletChallenge(ctx, l, w.ChallengeID, client, now)
	if l.refused() {
		return nil, trust
	}
	l.sameWallet(c.Account, w.WalletAddress, w.WalletType)
	v.signature(ctx, l, client, c, wallet.Proof{Signature: w.Signature, PublicKey: w.PublicKey}, now)
	if l.refused() {
		return nil, trust
	}
	token.Credential = c.Session.Credential
	s := l.own(trust, exchange.FirstPartyClaims(c.Account.String(), "", false, ""), token)
	s.Proof.Challenge, s.Proof.AuthTime, s.Proof.AMR = c.Name, now.Unix(), []string{"pop"} // RFC 8176 §2
	s.Identities = alsoKnown(client, c)
	return s, trust
}

// walletProof returns the signature in token, decoded, with all that it needs.
func (l *list) walletProof(token exchange.SubjectToken) exchange.WalletSignature {
	w, decoded := token.Proof.(exchange.WalletSignature)
	if !decoded {
		m := l.object(token.Text, "challengeId", "walletAddress", "signature", "publicKey", "walletType")
		w = exchange.WalletSignature{
			ChallengeID: l.text(m, "challengeId"), WalletAddress: l.text(m, "walletAddress"), WalletType: l.text(m, "walletType"),
			Signature: l.text(m, "signature"), PublicKey: l.text(m, "publicKey"),
		}
	}
	l.needed("challengeId", w.ChallengeID)
	l.needed("walletAddress", w.WalletAddress)
	l.needed("signature", w.Signature)
	return w
}

// needed checks that a member is not empty.
func (l *list) needed(name, value string) {
	if value == "" {
		l.check(exchange.Check{
			Name: name, Want: "a string", Got: "nothing", Reason: exchange.ReasonParameterMissing, Message: name + " is missing",
		})
	}
}

func (v *Verifier) walletChallenge(ctx context.Context, l *list, id string, client *exchange.Client, now time.Time) walletlogin.Challenge {
	if l.refused() {
		return walletlogin.Challenge{}
	}
	check := exchange.Check{Name: "challengeId", Want: "the current challenge of a client session"}
	c, err := v.cfg.Wallets.Challenge(ctx, id, client, now)
	if err != nil {
		l.fail(check, exchange.AsError(err))
		return c
	}
	check.Passed = true
	l.check(check)
	return c
}

// sameWallet wants the wallet to be the one that was challenged.
func (l *list) sameWallet(a wallet.Account, address, typ string) {
	canonical, _ := wallet.ParseAddress(a.Type(), address) // empty is no account's
	l.check(exchange.Check{
		Name: "walletAddress", Want: a.Address, Got: address,
		Passed: canonical == a.Address, Reason: exchange.ReasonParameterInvalid, Message: "walletAddress is not that of the challenge",
	})
	l.check(exchange.Check{
		Name: "walletType", Want: string(a.Type()), Got: typ,
		Passed: typ == "" || strings.EqualFold(typ, string(a.Type())), Reason: exchange.ReasonParameterInvalid,
		Message: "walletType is not that of the challenge",
	})
}

// signature verifies, and counts a signature that is not the account's.
func (v *Verifier) signature(ctx context.Context, l *list, client *exchange.Client, c walletlogin.Challenge, p wallet.Proof, now time.Time) {
	if l.refused() {
		return
	}
	check := exchange.Check{Name: "signature", Want: "that of " + c.Account.String() + " over the challenge"}
	refused := v.signedBy(ctx, client, c, p)
	if refused == nil {
		check.Passed = true
		l.check(check)
		return
	}
	if refused.Reason == exchange.ReasonWalletSignatureInvalid {
		if err := v.cfg.Wallets.CountFailure(ctx, c, now); err != nil {
			refused = exchange.AsError(err)
		}
	}
	l.fail(check, refused)
}

// signedBy asks the account's key, and where that did not sign, the contract at
// its address, if an operator said who can be asked about that.
func (v *Verifier) signedBy(ctx context.Context, client *exchange.Client, c walletlogin.Challenge, p wallet.Proof) *exchange.Error {
	err := wallet.Verify(c.Account, c.Message, p)
	asked := false
	if url := client.Wallets.RPC[c.Account.Chain.String()]; url != "" && errors.Is(err, wallet.ErrSignature) {
		asked, err = true, v.cfg.Contracts.Verify(ctx, url, c.Account, c.Message, p.Signature)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, wallet.ErrUnavailable):
		return exchange.Refuse(exchange.ReasonChainUnavailable, err)
	case errors.Is(err, wallet.ErrUndeployed):
		return &exchange.Error{
			Reason: exchange.ReasonWalletNotSupported, Err: err,
			Description: "contract wallets that are not deployed yet (EIP-6492) are not supported",
		}
	case !asked && c.Account.Type() == wallet.EVM:
		return &exchange.Error{
			Reason: exchange.ReasonWalletSignatureInvalid, Err: err,
			Description: "the signature is not that of the wallet's key; contract wallets (EIP-1271) are not supported on " + c.Account.Chain.String(),
		}
	}
	return exchange.Refuse(exchange.ReasonWalletSignatureInvalid, err)
}

// alsoKnown is who else the client session says that the user is.
func alsoKnown(client *exchange.Client, c walletlogin.Challenge) []exchange.Identity {
	var also []exchange.Identity
	if id := c.Session.ExternalUserID; id != "" {
		also = append(also, exchange.Identity{Issuer: exchange.Namespace(exchange.TypeUserAssertion, client.ID), ID: id, FindsUser: true})
	}
	if first := c.Session.Account; first != "" && first != c.Account.String() {
		also = append(also, exchange.Identity{Issuer: exchange.Namespace(exchange.TypeWalletSignature, client.ID), ID: first, FindsUser: true})
	}
	return also
}
