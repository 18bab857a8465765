package table

import (
	"context"
	"log/slog"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
)

// logged makes the typed client write one debug line about each attempt, as
// the data plane does.
func (t *Table) logged(stack *middleware.Stack) error {
	note := func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
		began := time.Now()
		out, metadata, err := next.HandleFinalize(ctx, in)
		attrs := []slog.Attr{slog.String("operation", awsmiddleware.GetOperationName(ctx)), slog.Duration("took", time.Since(began))}
		if id, ok := awsmiddleware.GetRequestIDMetadata(metadata); ok {
			attrs = append(attrs, slog.String("request", id))
		}
		if err != nil {
			attrs = append(attrs, slog.String("error", brief(err).Error()))
		}
		t.log.LogAttrs(ctx, slog.LevelDebug, "request", attrs...)
		return out, metadata, err
	}
	// Behind the retries, so that each attempt has its line.
	return stack.Finalize.Add(middleware.FinalizeMiddlewareFunc("dynamo.log", note), middleware.After)
}
