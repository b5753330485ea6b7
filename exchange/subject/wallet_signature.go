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

// Wallets are the challenges for wallets. Errors are of type *exchange.Error or
// the store's own.
type Wallets interface {
	// Challenge returns the challenge with a challengeId, if the client may answer
	// it.
	Challenge(ctx context.Context, challengeID string, client *exchange.Client, now time.Time) (walletlogin.Challenge, error)
	// CountFailure counts a signature that is not the account's.
	CountFailure(ctx context.Context, c walletlogin.Challenge, now time.Time) error
}

// Links are the links of subjects to users.
type Links interface {
	// Linked reports whether an issuer's subject is linked to a user.
	Linked(ctx context.Context, issuer, subject string) (bool, error)
}

// Contracts validates a signature by the contract at an account's address, through
// the JSON-RPC endpoint at url (EIP-1271, EIP-6492). Errors wrap those of package
// wallet.
type Contracts interface {
	Verify(ctx context.Context, url string, a wallet.Account, message, signature string) error
}

// walletSignature accepts a wallet's signature over a challenge: base64url JSON
// {challengeId, walletAddress, signature, publicKey?, walletType?}.
//
// The subject is the account by its CAIP-10 identifier, in the client's own
// namespace; an EVM account that signed by its own key is on
// exchange.AnyEVMChain. The user is that of the client session, if the backend that
// opened it named one or another subject was proven in it before. The proof's key is
// the client secret that opened the session.
func (v *Verifier) walletSignature(ctx context.Context, r *recorder, token exchange.SubjectToken, now time.Time) (*exchange.Subject, *exchange.CompiledIssuer) {
	client := r.presenter(token)
	if client == nil {
		return nil, nil
	}
	issuer := exchange.FirstPartyIssuer(client, token.Type)
	w := r.walletProof(token)
	c := v.walletChallenge(ctx, r, w.ChallengeID, client, now)
	if r.Refused() {
		return nil, issuer
	}
	r.sameWallet(c.Account, w)
	byKey := v.accountSignature(ctx, r, client, c, wallet.Proof{Signature: w.Signature, PublicKey: w.PublicKey}, now)
	id := v.walletSubject(ctx, r, client, c.Account, byKey)
	if r.Refused() {
		return nil, issuer
	}
	token.Credential = c.Session.Credential
	s := r.firstPartySubject(issuer, exchange.FirstPartyClaims(id, "", false, ""), token)
	s.Proof.Challenge, s.Proof.AuthTime, s.Proof.AMR = c.ProvenAs(id), now.Unix(), []string{"pop"} // RFC 8176 §2
	s.Identities = sessionIdentities(client, c, id)
	return s, issuer
}

// walletSubject returns the subject of an account. A contract is a subject of its
// chain. A key that signs for an EVM account is that account's on every chain, so
// the account is one subject.
//
// Users of earlier versions were linked by the chain of their login. They keep
// these links, which find them from every chain of the client: that of this login
// first, so that a key with users on several chains is on each the one that it was.
func (v *Verifier) walletSubject(ctx context.Context, r *recorder, client *exchange.Client, a wallet.Account, byKey bool) string {
	if r.Refused() || !byKey || a.Type() != wallet.EVM {
		return a.String()
	}
	onAny := exchange.AnyEVMChain + ":" + a.Address
	if v.cfg.Links == nil {
		return onAny
	}
	names := []string{a.String(), onAny}
	for _, id := range client.Wallets.Chains {
		if chain, err := wallet.ParseChain(id); err == nil && chain.Type() == wallet.EVM && chain != a.Chain {
			names = append(names, wallet.Account{Chain: chain, Address: a.Address}.String())
		}
	}
	for _, name := range names {
		linked, err := v.cfg.Links.Linked(ctx, exchange.Namespace(exchange.TypeWalletSignature, client.ID), name)
		if err != nil {
			r.Fail(exchange.Check{Name: "link", Want: "the user of the account"}, err)
		}
		if linked || err != nil {
			return name
		}
	}
	return onAny
}

// walletProof returns the decoded proof.
func (r *recorder) walletProof(token exchange.SubjectToken) exchange.WalletSignature {
	w, decoded := token.Proof.(exchange.WalletSignature)
	if !decoded {
		r.decodeProof(token.Text, map[string]any{
			"challengeId": &w.ChallengeID, "walletAddress": &w.WalletAddress, "walletType": &w.WalletType,
			"signature": &w.Signature, "publicKey": &w.PublicKey,
		})
	}
	r.required("challengeId", "a string", w.ChallengeID)
	r.required("walletAddress", "a string", w.WalletAddress)
	r.required("signature", "a string", w.Signature)
	return w
}

func (v *Verifier) walletChallenge(ctx context.Context, r *recorder, id string, client *exchange.Client, now time.Time) (c walletlogin.Challenge) {
	if r.Refused() {
		return c
	}
	c, err := v.cfg.Wallets.Challenge(ctx, id, client, now)
	r.challenge("challengeId", "the current challenge of a client session", err)
	return c
}

// sameWallet requires the wallet for which the challenge was made.
func (r *recorder) sameWallet(a wallet.Account, w exchange.WalletSignature) {
	canonical, _ := wallet.AddressOn(a.Chain, w.WalletAddress) // an invalid address is empty
	r.Check(exchange.Check{
		Name: "walletAddress", Want: a.Address, Got: w.WalletAddress,
		Passed: canonical == a.Address, Reason: exchange.ReasonParameterInvalid, Message: "walletAddress is not that of the challenge",
	})
	r.Check(exchange.Check{
		Name: "walletType", Want: string(a.Type()), Got: w.WalletType,
		Passed: w.WalletType == "" || strings.EqualFold(w.WalletType, string(a.Type())), Reason: exchange.ReasonParameterInvalid,
		Message: "walletType is not that of the challenge",
	})
}

// accountSignature verifies the signature, counts one that is not the account's,
// and reports whether the account's key made it.
func (v *Verifier) accountSignature(ctx context.Context, r *recorder, client *exchange.Client, c walletlogin.Challenge, p wallet.Proof, now time.Time) (byKey bool) {
	if r.Refused() {
		return false
	}
	byKey, err := v.verifyAccount(ctx, client, c, p)
	if err != nil && exchange.AsError(err).Reason == exchange.ReasonWalletSignatureInvalid {
		if failed := v.cfg.Wallets.CountFailure(ctx, c, now); failed != nil {
			err = failed
		}
	}
	r.challenge("signature", "that of "+c.Account.String()+" over the challenge", err)
	return byKey
}

// verifyAccount verifies with the account's key and, if that did not sign, by the
// contract at its address, if the operator registered an RPC endpoint for the
// chain. It reports whether the key signed.
func (v *Verifier) verifyAccount(ctx context.Context, client *exchange.Client, c walletlogin.Challenge, p wallet.Proof) (byKey bool, _ error) {
	err := wallet.Verify(c.Account, c.Message, p)
	if err == nil {
		return true, nil
	}
	url := client.Wallets.RPC[c.Account.Chain.String()]
	if url != "" {
		err = v.cfg.Contracts.Verify(ctx, url, c.Account, c.Message, p.Signature)
	}
	switch {
	case err == nil:
		return false, nil
	case errors.Is(err, wallet.ErrUnavailable):
		return false, &exchange.Error{Reason: exchange.ReasonChainUnavailable, RetryAfter: chainRetry, Err: err}
	case errors.Is(err, wallet.ErrUndeployed):
		return false, &exchange.Error{
			Reason: exchange.ReasonWalletNotSupported, Err: err,
			Description: "contract wallets (EIP-6492) are not supported on " + c.Account.Chain.String(),
		}
	}
	refused := exchange.Refuse(exchange.ReasonWalletSignatureInvalid, err)
	if url == "" && c.Account.Type() == wallet.EVM {
		refused.Description = "the signature is not that of the wallet's key; contract wallets (EIP-1271) are not supported on " + c.Account.Chain.String()
	}
	return false, refused
}

// chainRetry is when a chain that did not respond may be asked again.
const chainRetry = 5 * time.Second

// sessionIdentities returns the identities by which the client session finds the
// user.
func sessionIdentities(client *exchange.Client, c walletlogin.Challenge, subject string) []exchange.Identity {
	var found []exchange.Identity
	if id := c.Session.ExternalUserID; id != "" {
		found = append(found, exchange.Identity{Issuer: exchange.Namespace(exchange.TypeUserAssertion, client.ID), ID: id, FindsUser: true})
	}
	if first := c.Session.Account; first != "" && first != subject {
		found = append(found, exchange.Identity{Issuer: exchange.Namespace(exchange.TypeWalletSignature, client.ID), ID: first, FindsUser: true})
	}
	return found
}
