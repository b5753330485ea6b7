package exchange

import (
	"net/http"
	"slices"
)

// The reasons. Adding one is a change of the wire; renaming one breaks clients.
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
	ReasonTargetNotAllowed                 Reason = "TARGET_NOT_ALLOWED"
	ReasonAuthorizationDetailsInvalid      Reason = "AUTHORIZATION_DETAILS_INVALID"
	ReasonRefreshTokenInvalid              Reason = "REFRESH_TOKEN_INVALID"
	ReasonRefreshTokenExpired              Reason = "REFRESH_TOKEN_EXPIRED"
	ReasonRefreshTokenReused               Reason = "REFRESH_TOKEN_REUSED"
	ReasonSessionEnded                     Reason = "SESSION_ENDED"
	ReasonTooManyFailures                  Reason = "TOO_MANY_FAILURES"
	ReasonOverloaded                       Reason = "OVERLOADED"
	ReasonStoreUnavailable                 Reason = "STORE_UNAVAILABLE"
	ReasonInternal                         Reason = "INTERNAL"
)

// answers says per reason what the client reads: nothing it could not know, and
// nothing that tells one failed check of a token from what is behind it.
var answers = map[Reason]Answer{
	ReasonRequestMalformed:                 {InvalidRequest, http.StatusBadRequest, "the request is malformed"},
	ReasonParameterMissing:                 {InvalidRequest, http.StatusBadRequest, "a required parameter is missing"},
	ReasonParameterRepeated:                {InvalidRequest, http.StatusBadRequest, "a parameter is repeated"},
	ReasonParameterInvalid:                 {InvalidRequest, http.StatusBadRequest, "a parameter has an invalid value"},
	ReasonRequestTooLarge:                  {InvalidRequest, http.StatusRequestEntityTooLarge, "the request is too large"},
	ReasonMethodNotAllowed:                 {InvalidRequest, http.StatusMethodNotAllowed, "the method is not allowed here"},
	ReasonMediaTypeNotSupported:            {InvalidRequest, http.StatusUnsupportedMediaType, "the content type is not supported here"},
	ReasonNotFound:                         {InvalidRequest, http.StatusNotFound, "there is nothing here"},
	ReasonGrantTypeUnsupported:             {UnsupportedGrantType, http.StatusBadRequest, "the grant type is not supported"},
	ReasonTokenTypeUnsupported:             {InvalidRequest, http.StatusBadRequest, "the token type is not supported"},
	ReasonSubjectTokenMalformed:            {InvalidRequest, http.StatusBadRequest, "the subject token is malformed"},
	ReasonSubjectTokenTypeNotAccepted:      {InvalidRequest, http.StatusBadRequest, "the subject token's type is not accepted"},
	ReasonSubjectTokenSignatureInvalid:     {InvalidRequest, http.StatusBadRequest, "the subject token's signature is invalid"},
	ReasonSubjectTokenAlgorithmNotAccepted: {InvalidRequest, http.StatusBadRequest, "the subject token's algorithm is not accepted"},
	ReasonSubjectTokenExpired:              {InvalidRequest, http.StatusBadRequest, "the subject token has expired"},
	ReasonSubjectTokenNotYetValid:          {InvalidRequest, http.StatusBadRequest, "the subject token is not valid yet"},
	ReasonSubjectTokenLifetimeTooLong:      {InvalidRequest, http.StatusBadRequest, "the subject token lives too long"},
	ReasonSubjectTokenClaimInvalid:         {InvalidRequest, http.StatusBadRequest, "a claim of the subject token is invalid"},
	ReasonSubjectTokenReplayed:             {InvalidRequest, http.StatusBadRequest, "the subject token has been used before"},
	ReasonKeyNotFound:                      {InvalidRequest, http.StatusBadRequest, "the subject token's key was not found"},
	ReasonIssuerUnknown:                    {InvalidRequest, http.StatusBadRequest, "the subject token's issuer is not accepted"},
	ReasonIssuerUnavailable:                {TemporarilyUnavailable, http.StatusServiceUnavailable, "the issuer's keys cannot be had at the moment"},
	ReasonAudienceNotAccepted:              {InvalidRequest, http.StatusBadRequest, "the subject token's audience is not accepted"},
	ReasonNonceMismatch:                    {InvalidRequest, http.StatusBadRequest, "the nonce does not match"},
	ReasonActorTokenInvalid:                {InvalidRequest, http.StatusBadRequest, "the actor token is invalid"},
	ReasonActorNotAllowed:                  {AccessDenied, http.StatusForbidden, "the actor may not act for the subject"},
	ReasonConditionFailed:                  {AccessDenied, http.StatusForbidden, "the issuer's conditions are not met"},
	ReasonUserNotRegistered:                {AccessDenied, http.StatusForbidden, "the user is not registered"},
	ReasonUserDisabled:                     {AccessDenied, http.StatusForbidden, "the user is disabled"},
	ReasonClientUnknown:                    {InvalidClient, http.StatusUnauthorized, "client authentication failed"},
	ReasonClientAuthenticationFailed:       {InvalidClient, http.StatusUnauthorized, "client authentication failed"},
	ReasonGrantNotAllowed:                  {UnauthorizedClient, http.StatusBadRequest, "the client may not use this grant"},
	ReasonClientNotAllowed:                 {UnauthorizedClient, http.StatusForbidden, "the client may not do this"},
	ReasonOriginNotAllowed:                 {AccessDenied, http.StatusForbidden, "the origin is not allowed for this client"},
	ReasonScopeNotAllowed:                  {InvalidScope, http.StatusBadRequest, "a requested scope is not allowed"},
	ReasonTargetNotAllowed:                 {InvalidTarget, http.StatusBadRequest, "a requested audience or resource is not allowed"},
	ReasonAuthorizationDetailsInvalid:      {InvalidAuthorizationDetails, http.StatusBadRequest, "the authorization details are not accepted"},
	ReasonRefreshTokenInvalid:              {InvalidGrant, http.StatusBadRequest, "the refresh token is invalid"},
	ReasonRefreshTokenExpired:              {InvalidGrant, http.StatusBadRequest, "the session has expired"},
	ReasonRefreshTokenReused:               {InvalidGrant, http.StatusBadRequest, "the refresh token was used before; the session has ended"},
	ReasonSessionEnded:                     {InvalidGrant, http.StatusBadRequest, "the session has ended"},
	ReasonTooManyFailures:                  {SlowDown, http.StatusTooManyRequests, "too many failed attempts"},
	ReasonOverloaded:                       {TemporarilyUnavailable, http.StatusServiceUnavailable, "the server is busy"},
	ReasonStoreUnavailable:                 {TemporarilyUnavailable, http.StatusServiceUnavailable, "the server cannot store anything at the moment"},
	ReasonInternal:                         {ServerError, http.StatusInternalServerError, "internal error"},
}

// Reasons are all reasons, for documentation and for metrics.
func Reasons() []Reason {
	all := make([]Reason, 0, len(answers))
	for r := range answers {
		all = append(all, r)
	}
	slices.Sort(all)
	return all
}
