package bucket

import (
	"context"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/dynamo-cmdline/dynamo/internal/account"
	"github.com/dynamo-cmdline/dynamo/internal/foreign"
)

// sure refuses a 200 that does not say what S3 says where a call was carried out: whatever stands
// between may answer with a page of its own, or with nothing.
func sure(stack *middleware.Stack) error {
	check := func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleDeserialize(ctx, in)
		if err == nil && (!said(out.Result) || !plausible(awsmiddleware.GetOperationName(ctx), out.RawResponse)) {
			err = errHollow
		}
		return out, metadata, err
	}
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("dynamo.sure", check), middleware.Before)
}

// said reports whether an answer has what S3 never leaves out of it.
func said(result any) bool {
	switch r := result.(type) {
	case *s3.PutObjectOutput:
		return aws.ToString(r.ETag) != ""
	case *s3.UploadPartOutput:
		return aws.ToString(r.ETag) != ""
	case *s3.CreateMultipartUploadOutput:
		return aws.ToString(r.UploadId) != ""
	case *s3.CompleteMultipartUploadOutput:
		return aws.ToString(r.ETag) != ""
	case *s3.GetObjectOutput:
		return aws.ToString(r.ETag) != ""
	case *s3.ListObjectsV2Output:
		return aws.ToString(r.Name) != ""
	case *s3.ListObjectVersionsOutput:
		return aws.ToString(r.Name) != ""
	}
	return true
}

// plausible reports whether S3 may have answered so: where it says nothing, there is nothing.
func plausible(operation string, raw any) bool {
	response, ok := raw.(*smithyhttp.Response)
	switch {
	case !ok:
	case operation == "PutObject", operation == "UploadPart":
		return response.ContentLength <= 0
	case operation == "AbortMultipartUpload":
		return response.StatusCode == http.StatusNoContent
	}
	return true
}

// errHollow is an answer that says that all is well, and nothing else.
var errHollow = account.Garbled("the answer is not S3's: it says nothing of what was done")

// undeleted says what a DeleteObjects has left; an answer names all that it was asked for.
func undeleted(asked []types.ObjectIdentifier, out *s3.DeleteObjectsOutput) error {
	named := map[string]bool{}
	for _, d := range out.Deleted {
		named[aws.ToString(d.Key)] = true
	}
	for _, e := range out.Errors {
		return fmt.Errorf("delete %s: %s: %s", aws.ToString(e.Key), foreign.Text(aws.ToString(e.Code)), foreign.Text(aws.ToString(e.Message)))
	}
	for _, id := range asked {
		if !named[aws.ToString(id.Key)] {
			return fmt.Errorf("delete %s: %w", aws.ToString(id.Key), errHollow)
		}
	}
	return nil
}
