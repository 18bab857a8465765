package account

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
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
			attrs = append(attrs, slog.String("error", Explain(foreign.Error(err)).Error()))
		}
		a.Log.LogAttrs(ctx, slog.LevelDebug, "request", attrs...)
		return out, metadata, err
	}
	// Behind the retries, so that each attempt has its line.
	return stack.Finalize.Add(middleware.FinalizeMiddlewareFunc("dynamo.log", note), middleware.After)
}

// clean makes every client of the SDK's, those that only get credentials included, return errors without secrets: before
// all else, so that no caller sees another.
func clean(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("dynamo.clean",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			out, metadata, err := next.HandleInitialize(ctx, in)
			return out, metadata, foreign.Error(err)
		}), middleware.Before)
}

// hideSigned has what a request was signed with struck out, whose ever it is: also what a profile assumes a role with.
func hideSigned(stack *middleware.Stack) error {
	return stack.Finalize.Add(middleware.FinalizeMiddlewareFunc("dynamo.hide",
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			if r, ok := in.Request.(*smithyhttp.Request); ok {
				_, id, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
				id, _, _ = strings.Cut(id, "/")
				foreign.Hide(id, r.Header.Get("X-Amz-Security-Token"))
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
