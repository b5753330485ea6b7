package exchange

import (
	"maps"
	"slices"
)

// The reasons. Adding one changes the wire protocol; renaming one breaks clients.
const (
	ReasonRequestMalformed                 Reason = "REQUEST_MALFORMED"
	ReasonParameterMissing                 Reason = "PARAMETER_MISSING"
	ReasonParameterRepeated                Reason = "PARAMETER_REPEATED"
	ReasonParameterInvalid                 Reason = "PARAMETER_INVALID"
	ReasonRequestTooLarge                  Reason = "REQUEST_TOO_LARGE"
	ReasonMethodNotAllowed                 Reason = "METHOD_NOT_ALLOWED"
	ReasonMediaTypeNotSupported            Reason = "MEDIA_TYPE_NOT_SUPPORTED"
	ReasonNotFound                         Reason = "NOT_FOUND"
	ReasonGrantTypeUnsupported             Reason = "GRANT_TYPE_UNSUPPORTED"
	ReasonTokenTypeUnsupported             Reason = "TOKEN_TYPE_UNSUPPORTED"
	ReasonSubjectTokenMalformed            Reason = "SUBJECT_TOKEN_MALFORMED"
	ReasonSubjectTokenTypeNotAccepted      Reason = "SUBJECT_TOKEN_TYPE_NOT_ACCEPTED"
	ReasonSubjectTokenSignatureInvalid     Reason = "SUBJECT_TOKEN_SIGNATURE_INVALID"
	ReasonSubjectTokenAlgorithmNotAccepted Reason = "SUBJECT_TOKEN_ALGORITHM_NOT_ACCEPTED"
	ReasonSubjectTokenExpired              Reason = "SUBJECT_TOKEN_EXPIRED"
	ReasonSubjectTokenNotYetValid          Reason = "SUBJECT_TOKEN_NOT_YET_VALID"
	ReasonSubjectTokenLifetimeTooLong      Reason = "SUBJECT_TOKEN_LIFETIME_TOO_LONG"
	ReasonSubjectTokenClaimInvalid         Reason = "SUBJECT_TOKEN_CLAIM_INVALID"
	ReasonSubjectTokenReplayed             Reason = "SUBJECT_TOKEN_REPLAYED"
	ReasonSubjectTokenRevoked              Reason = "SUBJECT_TOKEN_REVOKED"
	ReasonKeyNotFound                      Reason = "KEY_NOT_FOUND"
	ReasonIssuerUnknown                    Reason = "ISSUER_UNKNOWN"
	ReasonIssuerUnavailable                Reason = "ISSUER_UNAVAILABLE"
	ReasonAudienceNotAccepted              Reason = "AUDIENCE_NOT_ACCEPTED"
	ReasonNonceMismatch                    Reason = "NONCE_MISMATCH"
	ReasonActorTokenInvalid                Reason = "ACTOR_TOKEN_INVALID"
	ReasonActorNotAllowed                  Reason = "ACTOR_NOT_ALLOWED"
	ReasonConditionFailed                  Reason = "CONDITION_FAILED"
	ReasonUserNotRegistered                Reason = "USER_NOT_REGISTERED"
	ReasonUserDisabled                     Reason = "USER_DISABLED"
	ReasonClientUnknown                    Reason = "CLIENT_UNKNOWN"
	ReasonClientAuthenticationFailed       Reason = "CLIENT_AUTHENTICATION_FAILED"
	ReasonGrantNotAllowed                  Reason = "GRANT_NOT_ALLOWED"
	ReasonClientNotAllowed                 Reason = "CLIENT_NOT_ALLOWED"
	ReasonOriginNotAllowed                 Reason = "ORIGIN_NOT_ALLOWED"
	ReasonScopeNotAllowed                  Reason = "SCOPE_NOT_ALLOWED"
	ReasonScopeMissing                     Reason = "SCOPE_MISSING"
	ReasonTargetNotAllowed                 Reason = "TARGET_NOT_ALLOWED"
	ReasonAuthorizationDetailsInvalid      Reason = "AUTHORIZATION_DETAILS_INVALID"
	ReasonRefreshTokenInvalid              Reason = "REFRESH_TOKEN_INVALID"
	ReasonRefreshTokenExpired              Reason = "REFRESH_TOKEN_EXPIRED"
	ReasonRefreshTokenReused               Reason = "REFRESH_TOKEN_REUSED"
	ReasonSessionEnded                     Reason = "SESSION_ENDED"
	ReasonAssertionInvalid                 Reason = "ASSERTION_INVALID"
	ReasonServerSecretInBrowser            Reason = "SERVER_SECRET_IN_BROWSER"
	ReasonAddressNotAllowed                Reason = "ADDRESS_NOT_ALLOWED"
	ReasonRequestSignatureInvalid          Reason = "REQUEST_SIGNATURE_INVALID"
	ReasonRequestReplayed                  Reason = "REQUEST_REPLAYED"
	ReasonRequestExpired                   Reason = "REQUEST_EXPIRED"
	ReasonChallengeInvalid                 Reason = "CHALLENGE_INVALID"
	ReasonCodeWrong                        Reason = "CODE_WRONG"
	ReasonMailTooSoon                      Reason = "MAIL_TOO_SOON"
	ReasonMailUnavailable                  Reason = "MAIL_UNAVAILABLE"
	ReasonLinkedElsewhere                  Reason = "LINKED_ELSEWHERE"
	ReasonClientSessionInvalid             Reason = "CLIENT_SESSION_INVALID"
	ReasonWalletSignatureInvalid           Reason = "WALLET_SIGNATURE_INVALID"
	ReasonWalletNotSupported               Reason = "WALLET_NOT_SUPPORTED"
	ReasonChainUnavailable                 Reason = "CHAIN_UNAVAILABLE"
	ReasonAccessTokenInvalid               Reason = "ACCESS_TOKEN_INVALID"
	ReasonAccessTokenInsufficient          Reason = "ACCESS_TOKEN_INSUFFICIENT"
	ReasonInvoiceNotAccepted               Reason = "INVOICE_NOT_ACCEPTED"
	ReasonInvoicesUnavailable              Reason = "INVOICES_UNAVAILABLE"
	ReasonIdempotencyKeyReused             Reason = "IDEMPOTENCY_KEY_REUSED"
	ReasonIdempotencyKeyInProgress         Reason = "IDEMPOTENCY_KEY_IN_PROGRESS"
	ReasonTooManyFailures                  Reason = "TOO_MANY_FAILURES"
	ReasonTooManySessions                  Reason = "TOO_MANY_SESSIONS"
	ReasonOverloaded                       Reason = "OVERLOADED"
	ReasonAuditUnavailable                 Reason = "AUDIT_UNAVAILABLE"
	ReasonClockUnsteady                    Reason = "CLOCK_UNSTEADY"
	ReasonStoreUnavailable                 Reason = "STORE_UNAVAILABLE"
	ReasonInternal                         Reason = "INTERNAL"
)

// responses holds what the client reads for each reason. A description has nothing
// that the client could not know, and does not tell why a check failed.
var responses = map[Reason]ErrorResponse{
	ReasonRequestMalformed:                 {InvalidRequest, 400, "the request is malformed"},
	ReasonParameterMissing:                 {InvalidRequest, 400, "a required parameter is missing"},
	ReasonParameterRepeated:                {InvalidRequest, 400, "a parameter is repeated"},
	ReasonParameterInvalid:                 {InvalidRequest, 400, "a parameter has an invalid value"},
	ReasonRequestTooLarge:                  {InvalidRequest, 413, "the request is too large"},
	ReasonMethodNotAllowed:                 {InvalidRequest, 405, "the method is not allowed here"},
	ReasonMediaTypeNotSupported:            {InvalidRequest, 415, "the content type is not supported here"},
	ReasonNotFound:                         {InvalidRequest, 404, "there is nothing at this path"},
	ReasonGrantTypeUnsupported:             {UnsupportedGrantType, 400, "the grant type is not supported"},
	ReasonTokenTypeUnsupported:             {InvalidRequest, 400, "the token type is not supported"},
	ReasonSubjectTokenMalformed:            {InvalidRequest, 400, "the subject token is malformed"},
	ReasonSubjectTokenTypeNotAccepted:      {InvalidRequest, 400, "the subject token's type is not accepted"},
	ReasonSubjectTokenSignatureInvalid:     {InvalidRequest, 400, "the subject token's signature is invalid"},
	ReasonSubjectTokenAlgorithmNotAccepted: {InvalidRequest, 400, "the subject token's algorithm is not accepted"},
	ReasonSubjectTokenExpired:              {InvalidRequest, 400, "the subject token has expired"},
	ReasonSubjectTokenNotYetValid:          {InvalidRequest, 400, "the subject token is not valid yet"},
	ReasonSubjectTokenLifetimeTooLong:      {InvalidRequest, 400, "the lifetime of the subject token is too long"},
	ReasonSubjectTokenClaimInvalid:         {InvalidRequest, 400, "a claim of the subject token is invalid"},
	ReasonSubjectTokenReplayed:             {InvalidRequest, 400, "the subject token has been used before"},
	ReasonSubjectTokenRevoked:              {InvalidRequest, 400, "the subject token was revoked"},
	ReasonKeyNotFound:                      {InvalidRequest, 400, "the subject token's key was not found"},
	ReasonIssuerUnknown:                    {InvalidRequest, 400, "the subject token's issuer is not accepted"},
	ReasonIssuerUnavailable:                {TemporarilyUnavailable, 503, "the issuer's keys are temporarily unavailable"},
	ReasonAudienceNotAccepted:              {InvalidRequest, 400, "the subject token's audience is not accepted"},
	ReasonNonceMismatch:                    {InvalidRequest, 400, "the nonce does not match"},
	ReasonActorTokenInvalid:                {InvalidRequest, 400, "the actor token is invalid"},
	ReasonActorNotAllowed:                  {AccessDenied, 403, "the actor may not act for the subject"},
	ReasonConditionFailed:                  {AccessDenied, 403, "the issuer's conditions are not met"},
	ReasonUserNotRegistered:                {AccessDenied, 403, "the user is not registered"},
	ReasonUserDisabled:                     {AccessDenied, 403, "the user is disabled"},
	ReasonClientUnknown:                    {InvalidClient, 401, "client authentication failed"},
	ReasonClientAuthenticationFailed:       {InvalidClient, 401, "client authentication failed"},
	ReasonGrantNotAllowed:                  {UnauthorizedClient, 400, "the client may not use this grant"},
	ReasonClientNotAllowed:                 {UnauthorizedClient, 403, "the client may not do this"},
	ReasonOriginNotAllowed:                 {AccessDenied, 403, "the origin is not allowed for this client"},
	ReasonScopeNotAllowed:                  {InvalidScope, 400, "a requested scope is not allowed"},
	ReasonScopeMissing:                     {InvalidScope, 400, "no scope was requested, and there is no default scope"},
	ReasonTargetNotAllowed:                 {InvalidTarget, 400, "a requested audience or resource is not allowed"},
	ReasonAuthorizationDetailsInvalid:      {InvalidAuthorizationDetails, 400, "the authorization details are not accepted"},
	ReasonRefreshTokenInvalid:              {InvalidGrant, 400, "the refresh token is invalid"},
	ReasonRefreshTokenExpired:              {InvalidGrant, 400, "the session has expired"},
	ReasonRefreshTokenReused:               {InvalidGrant, 400, "the refresh token was used before; the session has ended"},
	ReasonSessionEnded:                     {InvalidGrant, 400, "the session has ended"},
	ReasonAssertionInvalid:                 {InvalidGrant, 400, "the assertion is invalid"},
	ReasonServerSecretInBrowser:            {AccessDenied, 403, "a server secret must not be used in a browser; revoke it"},
	ReasonAddressNotAllowed:                {AccessDenied, 403, "the client's secret is not accepted from this address"},
	ReasonRequestSignatureInvalid:          {InvalidClient, 401, "the request's signature is invalid"},
	ReasonRequestReplayed:                  {InvalidRequest, 400, "the request was used before"},
	ReasonRequestExpired:                   {InvalidRequest, 400, "the request is too old"},
	ReasonChallengeInvalid:                 {InvalidRequest, 400, "the proof is unknown, expired or used"},
	ReasonCodeWrong:                        {InvalidRequest, 400, "the code is wrong"},
	ReasonMailTooSoon:                      {SlowDown, 429, "too many codes for this address"},
	ReasonMailUnavailable:                  {TemporarilyUnavailable, 503, "mail is temporarily unavailable"},
	ReasonLinkedElsewhere:                  {InvalidRequest, 409, "this login belongs to another user; log in as that user, or have the operator unlink it or merge the two"},
	ReasonClientSessionInvalid:             {InvalidRequest, 401, "the client session is unknown or has expired"},
	ReasonWalletSignatureInvalid:           {InvalidRequest, 400, "the wallet's signature is invalid"},
	ReasonWalletNotSupported:               {InvalidRequest, 400, "the wallet is not supported"},
	ReasonChainUnavailable:                 {TemporarilyUnavailable, 503, "the blockchain endpoint is temporarily unavailable"},
	ReasonAccessTokenInvalid:               {InvalidToken, 401, "the access token is invalid"},
	ReasonAccessTokenInsufficient:          {InsufficientScope, 403, "the access token may not do this"},
	ReasonInvoiceNotAccepted:               {AccessDenied, 403, "the invoice is not one of the customer's"},
	ReasonInvoicesUnavailable:              {TemporarilyUnavailable, 503, "invoices are temporarily unavailable"},
	ReasonIdempotencyKeyReused:             {InvalidRequest, 422, "the Idempotency-Key was used for another request"},
	ReasonIdempotencyKeyInProgress:         {InvalidRequest, 409, "another request with this Idempotency-Key is being processed"},
	ReasonTooManyFailures:                  {SlowDown, 429, "too many failed attempts"},
	ReasonTooManySessions:                  {SlowDown, 429, "too many sessions of this user in a short time"},
	ReasonOverloaded:                       {TemporarilyUnavailable, 503, "the server is busy"},
	ReasonAuditUnavailable:                 {TemporarilyUnavailable, 503, "decisions cannot be recorded now"},
	ReasonClockUnsteady:                    {TemporarilyUnavailable, 503, "the server's clock cannot be trusted now"},
	ReasonStoreUnavailable:                 {TemporarilyUnavailable, 503, "the store is temporarily unavailable"},
	ReasonInternal:                         {ServerError, 500, "internal error"},
}

// Reasons returns all reasons, sorted.
func Reasons() []Reason { return slices.Sorted(maps.Keys(responses)) }
