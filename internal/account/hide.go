package account

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/signin"
	"github.com/aws/aws-sdk-go-v2/service/ssooidc"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/dynamo-cmdline/dynamo/internal/foreign"
)

// logged makes a client write one debug line about each attempt, as the data plane does.
func (a *Account) logged(stack *middleware.Stack) error {
	note := func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
		began := time.Now()
		out, metadata, err := next.HandleFinalize(ctx, in)
		attrs := []slog.Attr{slog.String("operation", awsmiddleware.GetOperationName(ctx)), slog.Duration("took", time.Since(began))}
		if id, ok := awsmiddleware.GetRequestIDMetadata(metadata); ok {
			attrs = append(attrs, slog.String("request", foreign.Text(id)))
		}
		if err != nil {
			attrs = append(attrs, slog.String("error", Explain(err).Error()))
		}
		a.Log.LogAttrs(ctx, slog.LevelDebug, "request", attrs...)
		return out, metadata, err
	}
	// Behind the retries, so that each attempt has its line.
	return stack.Finalize.Add(middleware.FinalizeMiddlewareFunc("dynamo.log", note), middleware.After)
}

// clean makes every client of the SDK's, those that only get credentials included, return errors
// without secrets: before all else, so that no caller sees another.
func clean(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("dynamo.clean",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			hideAsked(in.Parameters)
			out, metadata, err := next.HandleInitialize(ctx, in)
			return out, metadata, foreign.Error(err)
		}), middleware.Before)
}

// hideAsked has what credentials are asked for with struck out, where the request is not signed
// with it.
func hideAsked(params any) {
	switch in := params.(type) {
	case *sts.AssumeRoleInput:
		foreign.Hide(aws.ToString(in.ExternalId))
	case *sts.AssumeRoleWithWebIdentityInput:
		foreign.Hide(aws.ToString(in.WebIdentityToken))
	case *ssooidc.CreateTokenInput:
		foreign.Hide(aws.ToString(in.ClientSecret), aws.ToString(in.RefreshToken))
	case *signin.CreateOAuth2TokenInput:
		if in.TokenInput != nil {
			foreign.Hide(aws.ToString(in.TokenInput.RefreshToken))
		}
	}
}

// hideSigned has what a request was signed with struck out, whose ever it is: also what a profile
// assumes a role with. SSO, and what a container asks for its credentials, take a token as it is.
func hideSigned(stack *middleware.Stack) error {
	return stack.Finalize.Add(middleware.FinalizeMiddlewareFunc("dynamo.hide",
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			if r, ok := in.Request.(*smithyhttp.Request); ok {
				token, id, signed := strings.Cut(r.Header.Get("Authorization"), "Credential=")
				if id, _, _ = strings.Cut(id, "/"); !signed {
					id = token
				}
				foreign.Hide(id, r.Header.Get("X-Amz-Security-Token"), r.Header.Get("X-Amz-Sso_bearer_token"))
			}
			return next.HandleFinalize(ctx, in)
		}), middleware.After) // behind the signing
}

// hiding is a provider whose credentials are struck out of whatever is shown.
type hiding struct {
	aws.CredentialsProvider
	last *atomic.Pointer[aws.Credentials]
}

func (h hiding) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := h.CredentialsProvider.Retrieve(ctx)
	if last := h.last.Load(); err == nil && (last == nil || *last != c) {
		foreign.Hide(c.AccessKeyID, c.SecretAccessKey, c.SessionToken)
		h.last.Store(&c)
	}
	return c, foreign.Error(err)
}

// Invalidate has the next call fetch new ones.
func (h hiding) Invalidate() {
	if cache, ok := h.CredentialsProvider.(interface{ Invalidate() }); ok {
		cache.Invalidate()
	}
}
