package table

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/scaling"
)

// Details are what AWS says about a table in several answers.
type Details struct {
	Description
	Created time.Time
	Class   string   // "STANDARD" or "STANDARD_INFREQUENT_ACCESS"
	Key     string   // the encryption key's ARN; "" for AWS's own
	Regions []string // of a global table's replicas

	// TTL, Recovery and Scaling are nil where they could not be found out; Unknown
	// then says why.
	TTL      *TTL
	Recovery *Recovery
	Scaling  *scaling.State
	Unknown  map[string]string // "ttl", "recovery" or "scaling": AWS's word on it
}

// TTL is a table's time to live.
type TTL struct {
	Status    string // "ENABLED", "DISABLED", "ENABLING" or "DISABLING"
	Attribute string // "" where there is none
}

// Recovery is a table's point-in-time recovery.
type Recovery struct {
	On       bool
	Days     int // that it goes back at most; 0 where AWS does not say
	Earliest time.Time
	Latest   time.Time
}

// Details asks AWS about the table and its settings. That one of them cannot be
// found out, for want of permission or because the endpoint lacks it, is no error. The errors
// are those of [Table.Describe].
func (t *Table) Details(ctx context.Context) (Details, error) {
	var d Details
	raw, err := t.ask(ctx)
	if err != nil {
		return d, err
	}
	if d.Description, err = t.description(raw); err != nil {
		return d, err
	}
	d.Created, d.Class, d.Unknown = aws.ToTime(raw.CreationDateTime), string(types.TableClassStandard), map[string]string{}
	if raw.TableClassSummary != nil && raw.TableClassSummary.TableClass != "" {
		d.Class = string(raw.TableClassSummary.TableClass)
	}
	if raw.SSEDescription != nil {
		d.Key = aws.ToString(raw.SSEDescription.KMSMasterKeyArn)
	}
	for _, r := range raw.Replicas {
		d.Regions = append(d.Regions, aws.ToString(r.RegionName))
	}
	for what, ask := range map[string]func(context.Context, *Table) error{"ttl": d.askTTL, "recovery": d.askRecovery, "scaling": d.askScaling} {
		if err := ask(ctx, t); err != nil {
			if ctx.Err() != nil {
				return d, context.Cause(ctx)
			}
			d.Unknown[what] = brief(err).Error()
		}
	}
	return d, nil
}

// errSilent is an answer that leaves out what was asked for.
var errSilent = errors.New("the answer does not say")

func (d *Details) askTTL(ctx context.Context, t *Table) error {
	out, err := t.account.client.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: aws.String(t.name)})
	if err != nil {
		return err
	}
	if out.TimeToLiveDescription == nil {
		return errSilent
	}
	d.TTL = &TTL{string(out.TimeToLiveDescription.TimeToLiveStatus), aws.ToString(out.TimeToLiveDescription.AttributeName)}
	return nil
}

// scalingLimit is how long to wait for what AWS says about auto scaling: it is
// another service, which an endpoint on this machine may lack.
const scalingLimit = 5 * time.Second

func (d *Details) askScaling(ctx context.Context, t *Table) error {
	ctx, cancel := context.WithTimeout(ctx, scalingLimit)
	defer cancel()
	state, err := scaling.Read(ctx, t.scalers(), d.Table)
	if err != nil {
		return err
	}
	d.Scaling = &state
	return nil
}

func (d *Details) askRecovery(ctx context.Context, t *Table) error {
	out, err := t.account.client.DescribeContinuousBackups(ctx, &dynamodb.DescribeContinuousBackupsInput{TableName: aws.String(t.name)})
	if err != nil {
		return err
	}
	if out.ContinuousBackupsDescription == nil || out.ContinuousBackupsDescription.PointInTimeRecoveryDescription == nil {
		return errSilent
	}
	p := out.ContinuousBackupsDescription.PointInTimeRecoveryDescription
	d.Recovery = &Recovery{
		On:       p.PointInTimeRecoveryStatus == types.PointInTimeRecoveryStatusEnabled,
		Days:     int(aws.ToInt32(p.RecoveryPeriodInDays)),
		Earliest: aws.ToTime(p.EarliestRestorableDateTime), Latest: aws.ToTime(p.LatestRestorableDateTime),
	}
	return nil
}
