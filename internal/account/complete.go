package account

import (
	"reflect"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/signin"
	"github.com/aws/aws-sdk-go-v2/service/sso"
	"github.com/aws/aws-sdk-go-v2/service/ssooidc"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
)

// complete reports as garbled a result that leaves out what AWS always says: the SDK takes {} for
// an answer.
func complete(result any) error {
	var ok bool
	switch out := result.(type) {
	case *dynamodb.DescribeTableOutput:
		ok = describes(out.Table)
	case *dynamodb.CreateTableOutput:
		ok = out.TableDescription != nil && out.TableDescription.TableArn != nil
	case *dynamodb.UpdateTableOutput:
		ok = out.TableDescription != nil
	case *dynamodb.DeleteTableOutput:
		ok = out.TableDescription != nil
	case *dynamodb.RestoreTableFromBackupOutput:
		ok = out.TableDescription != nil && out.TableDescription.TableArn != nil
	case *dynamodb.RestoreTableToPointInTimeOutput:
		ok = out.TableDescription != nil && out.TableDescription.TableArn != nil
	case *dynamodb.ListTablesOutput:
		ok = out.TableNames != nil
	case *dynamodb.ListTagsOfResourceOutput:
		ok = out.Tags != nil
	case *dynamodb.DescribeTimeToLiveOutput:
		ok = out.TimeToLiveDescription != nil
	case *dynamodb.DescribeContinuousBackupsOutput:
		ok = out.ContinuousBackupsDescription != nil
	case *dynamodb.UpdateTimeToLiveOutput:
		ok = out.TimeToLiveSpecification != nil
	case *dynamodb.UpdateContinuousBackupsOutput:
		ok = out.ContinuousBackupsDescription != nil
	case *dynamodb.CreateBackupOutput:
		ok = out.BackupDetails != nil && out.BackupDetails.BackupArn != nil
	case *dynamodb.DescribeBackupOutput:
		ok = out.BackupDescription != nil && out.BackupDescription.BackupDetails != nil && out.BackupDescription.BackupDetails.BackupStatus != ""
	case *dynamodb.DeleteBackupOutput:
		ok = out.BackupDescription != nil
	case *dynamodb.ListBackupsOutput:
		ok = out.BackupSummaries != nil
	case *applicationautoscaling.DescribeScalableTargetsOutput:
		ok = out.ScalableTargets != nil
	case *applicationautoscaling.DescribeScalingPoliciesOutput:
		ok = out.ScalingPolicies != nil
	case *applicationautoscaling.DescribeScheduledActionsOutput:
		ok = out.ScheduledActions != nil
	case *sts.AssumeRoleOutput:
		ok = opens(out.Credentials)
	case *sts.AssumeRoleWithWebIdentityOutput:
		ok = opens(out.Credentials)
	case *sts.GetCallerIdentityOutput:
		ok = out.Account != nil
	case *sso.GetRoleCredentialsOutput:
		ok = out.RoleCredentials != nil && out.RoleCredentials.AccessKeyId != nil && out.RoleCredentials.SecretAccessKey != nil
	case *ssooidc.CreateTokenOutput:
		ok = out.AccessToken != nil
	case *signin.CreateOAuth2TokenOutput:
		ok = out.TokenOutput != nil && out.TokenOutput.AccessToken != nil && out.TokenOutput.AccessToken.SecretAccessKey != nil
	case *s3.ListObjectsV2Output:
		ok = out.Name != nil || out.IsTruncated != nil
	default:
		ok = !lacksKeys(result)
	}
	if !ok {
		return ErrEmpty
	}
	return nil
}

// describes reports whether a table's description has all that a table has: an ARN, a status, and
// keys of some type.
func describes(t *types.TableDescription) bool {
	if t == nil || !arn.IsARN(aws.ToString(t.TableArn)) || t.TableStatus == "" {
		return false
	}
	if slices.ContainsFunc(t.AttributeDefinitions, func(a types.AttributeDefinition) bool { return a.AttributeType == "" }) {
		return false
	}
	return len(t.AttributeDefinitions) > 0 && slices.ContainsFunc(t.KeySchema, func(k types.KeySchemaElement) bool {
		return k.KeyType == types.KeyTypeHash && aws.ToString(k.AttributeName) != ""
	})
}

// lacksKeys reports whether the result is keys of a container's, and leaves some out: nobody but
// the SDK has its type.
func lacksKeys(result any) bool {
	v := reflect.Indirect(reflect.ValueOf(result))
	if v.Kind() != reflect.Struct {
		return false
	}
	for _, name := range []string{"AccessKeyID", "SecretAccessKey"} {
		if field := v.FieldByName(name); field.Kind() == reflect.String && field.Len() == 0 {
			return true
		}
	}
	return false
}

func opens(c *ststypes.Credentials) bool {
	return c != nil && aws.ToString(c.AccessKeyId) != "" && aws.ToString(c.SecretAccessKey) != ""
}
