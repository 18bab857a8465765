package table

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/credentials/logincreds"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/internal/account"
	"github.com/dynamo-cmdline/dynamo/item"
)

// A Description is what AWS says about a table.
type Description struct {
	Profile string `json:"profile,omitempty"`
	Account string `json:"account"` // from the table's ARN
	Region  string `json:"region"`  // from the table's ARN
	Table   string `json:"table"`
	Path    string `json:"path,omitempty"` // of the dump whose table it was; then ID is of the dump's content

	// Backup is the ARN of AWS's backup that it is in, or a point in its time as pitr:TIME; then ID is that's.
	Backup     string    `json:"backup,omitempty"`
	BackupName string    `json:"backup_name,omitempty"`
	Made       time.Time `json:"made,omitzero"` // the backup; or the point in time

	ID       string `json:"-"` // TableId: the same table has the same one, however it is reached; "" for an engine that has none
	ARN      string `json:"-"`
	Endpoint string `json:"-"` // where it is not AWS's own
	Status   string `json:"-"`
	address  string // where the Endpoint is, in one spelling
	created  time.Time
	Schema   item.Schema `json:"-"`

	// Expires is when the credentials end that were used, where somebody may be
	// needed to get new ones: those of a login (SSO) and of a process. It is zero
	// for those that are kept, or that renew themselves as a role's do.
	Expires time.Time `json:"-"`

	Indexes []Index `json:"-"`
	Items   int64   `json:"-"` // as AWS last counted, up to six hours ago
	Bytes   int64   `json:"-"` // as AWS last counted

	// ReadCapacity and WriteCapacity are units per second: the provisioned
	// capacity, or the most that an on-demand table is allowed. 0 means no limit is known.
	ReadCapacity  float64 `json:"-"`
	WriteCapacity float64 `json:"-"`

	OnDemand          bool     `json:"-"`
	DeletionProtected bool     `json:"-"`
	Stream            string   `json:"-"` // view type of an enabled stream; empty for none
	Replicas          []string `json:"-"` // ARNs of a global table's other replicas
	globalByName      bool     // its replicas are not among them
}

// An Index is a secondary index.
type Index struct {
	Name       string
	Schema     item.Schema
	Local      bool
	Projection string   // "ALL", "KEYS_ONLY" or "INCLUDE"
	Attributes []string // that INCLUDE adds to the keys
	Status     string   // of a global index
	Items      int64    // as AWS last counted, up to six hours ago
	Bytes      int64    // as AWS last counted

	// ReadCapacity and WriteCapacity are as those of the table, for a global index.
	ReadCapacity  float64
	WriteCapacity float64
}

// Describe asks AWS about the table. The errors are an [*Error]: [Mismatch]
// where it does not exist, [Denied], or [Failed].
func (t *Table) Describe(ctx context.Context) (Description, error) {
	d, err := t.ask(ctx)
	if err != nil {
		return Description{}, err
	}
	out, err := t.description(d)
	if err != nil {
		return Description{}, err
	}
	creds, err := t.account.client.Options().Credentials.Retrieve(ctx) // as they were kept for the call before
	if err == nil && creds.CanExpire && slices.Contains(loggedIn, creds.Source) {
		out.Expires = creds.Expires
	}
	return out, nil
}

// loggedIn are the sources of credentials that end unless somebody logs in again.
var loggedIn = []string{ssocreds.ProviderName, logincreds.ProviderName, processcreds.ProviderName}

// ask gets AWS's own description.
func (t *Table) ask(ctx context.Context) (*types.TableDescription, error) {
	out, err := t.account.client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(t.name)})
	if err != nil {
		return nil, t.controlError(ctx, "describe", err)
	}
	return out.Table, nil
}

// describeOwn describes the table. Application Auto Scaling knows tables of the
// caller's own account only, by name: an ARN must be of one of those.
func (t *Table) describeOwn(ctx context.Context) (Description, error) {
	d, err := t.Describe(ctx)
	if err != nil || !strings.HasPrefix(t.name, "arn:") {
		return d, err
	}
	own, err := t.account.Table(d.Table)
	if err != nil {
		return d, err
	}
	is, err := own.Describe(ctx)
	if err == nil && is.ARN != d.ARN || errors.Is(err, errNoTable) {
		return d, usage("use a profile of that account and region", "%s is not %s's own table", t.name, t.account)
	}
	return d, err
}

func (t *Table) description(d *types.TableDescription) (Description, error) {
	where, err := arn.Parse(*d.TableArn)
	if err != nil {
		return Description{}, mismatch("", "describe %q with %s: the table's ARN %q cannot be read", t.name, t.account, *d.TableArn)
	}
	kinds := make(map[string]item.Type)
	for _, a := range d.AttributeDefinitions {
		kinds[aws.ToString(a.AttributeName)] = item.Type(a.AttributeType[0])
	}
	out := Description{
		Profile: t.account.Profile(), Account: where.AccountID, Region: where.Region, Table: aws.ToString(d.TableName),
		ID: aws.ToString(d.TableId), ARN: *d.TableArn, Endpoint: t.account.Endpoint(), address: t.account.address, created: aws.ToTime(d.CreationDateTime), Status: string(d.TableStatus),
		Schema: schemaOf(d.KeySchema, kinds),
		Items:  aws.ToInt64(d.ItemCount), Bytes: aws.ToInt64(d.TableSizeBytes),
		OnDemand:          d.BillingModeSummary != nil && d.BillingModeSummary.BillingMode == types.BillingModePayPerRequest,
		DeletionProtected: aws.ToBool(d.DeletionProtectionEnabled), Replicas: replicasOf(d, where),
		globalByName: aws.ToString(d.GlobalTableVersion) == globalByName,
	}
	if s := d.StreamSpecification; s != nil && aws.ToBool(s.StreamEnabled) {
		out.Stream = string(s.StreamViewType)
	}
	for _, g := range d.GlobalSecondaryIndexes {
		i := indexOf(g.IndexName, g.KeySchema, kinds, g.Projection, g.ItemCount, g.IndexSizeBytes)
		i.Status = string(g.IndexStatus)
		i.ReadCapacity, i.WriteCapacity = capacityOf(g.ProvisionedThroughput, g.OnDemandThroughput, out.OnDemand)
		out.Indexes = append(out.Indexes, i)
	}
	for _, l := range d.LocalSecondaryIndexes {
		i := indexOf(l.IndexName, l.KeySchema, kinds, l.Projection, l.ItemCount, l.IndexSizeBytes)
		i.Local = true
		out.Indexes = append(out.Indexes, i)
	}
	out.ReadCapacity, out.WriteCapacity = capacityOf(d.ProvisionedThroughput, d.OnDemandThroughput, out.OnDemand)
	return out, nil
}

func schemaOf(keys []types.KeySchemaElement, kinds map[string]item.Type) item.Schema {
	var s item.Schema
	for _, k := range keys {
		attr := item.Attr{Name: aws.ToString(k.AttributeName), Type: kinds[aws.ToString(k.AttributeName)]}
		if k.KeyType == types.KeyTypeHash {
			s.Partition = attr
		} else {
			s.Sort = attr
		}
	}
	return s
}

func indexOf(name *string, keys []types.KeySchemaElement, kinds map[string]item.Type, p *types.Projection, items, bytes *int64) Index {
	i := Index{Name: aws.ToString(name), Schema: schemaOf(keys, kinds), Items: aws.ToInt64(items), Bytes: aws.ToInt64(bytes)}
	if p != nil {
		i.Projection, i.Attributes = string(p.ProjectionType), p.NonKeyAttributes
	}
	return i
}

func capacityOf(p *types.ProvisionedThroughputDescription, o *types.OnDemandThroughput, onDemand bool) (read, write float64) {
	switch {
	case !onDemand && p != nil:
		return float64(aws.ToInt64(p.ReadCapacityUnits)), float64(aws.ToInt64(p.WriteCapacityUnits))
	case onDemand && o != nil: // -1 means that there is no maximum
		return float64(max(0, aws.ToInt64(o.MaxReadRequestUnits))), float64(max(0, aws.ToInt64(o.MaxWriteRequestUnits)))
	}
	return 0, 0
}

// live reports whether it is a table, not one as it was once, in a dump or a backup.
func (d Description) live() bool { return d.Path == "" && d.Backup == "" }

// otherThan says in words that a backup or a dump is of another table than the one of that name; "" where it is not.
func (d Description) otherThan(name string) string {
	if d.live() || d.Table == "" || d.Table == name {
		return ""
	}
	what := "backup"
	if d.Path != "" {
		what = "dump"
	}
	return fmt.Sprintf("the %s is of table %s, not of %s", what, d.Table, name)
}

// String names the table in full, as the question and the plan show it.
func (d Description) String() string {
	if d.Path != "" && d.Table == "" {
		return d.Path
	}
	text := fmt.Sprintf("%s in account %s, %s", d.Table, d.Account, d.Region)
	switch {
	case d.Path != "":
		return "dump " + d.Path + " of " + text
	case d.Backup != "" && d.Made.IsZero():
		return d.Backup + " of " + text
	case d.Backup == pitrLatest:
		return "the latest restorable time, now " + d.Made.UTC().Format(time.RFC3339) + ", of " + text
	case strings.HasPrefix(d.Backup, pitrPrefix):
		return "the time " + d.Made.UTC().Format(time.RFC3339) + " of " + text
	case d.Backup != "":
		return "backup " + d.BackupName + " of " + text + ", made " + d.Made.UTC().Format(time.RFC3339) + ": " + d.Backup
	}
	if d.Profile != "" {
		text += ", profile " + d.Profile
	}
	if d.Endpoint != "" {
		text += ", at " + strings.TrimSuffix(d.Endpoint, "/")
	}
	return text
}

// longestLook is the longest time between two looks at a table that is being made or changed.
const longestLook = 5 * time.Second

// ready waits until items can be read and written, and describes the table.
func (t *Table) ready(ctx context.Context) (Description, error) {
	var d Description
	waits := false
	err := t.account.patience.Wait(ctx, longestLook, func() (state string, done bool, err error) {
		if d, err = t.Describe(ctx); err != nil {
			return "", false, err
		}
		switch types.TableStatus(d.Status) {
		case types.TableStatusActive, types.TableStatusUpdating: // an update leaves the data usable
			return d.Status, true, nil
		case types.TableStatusCreating:
			if !waits {
				waits = true
				t.account.log.InfoContext(ctx, "waiting for the table", "table", d.Table, "status", d.Status)
			}
			return d.Status, false, nil
		}
		return "", false, mismatch("", "table %s is %s", d, d.Status)
	})
	return d, still(err, "table %s is still %s", d, d.Status)
}

// still says what has not changed where that is why a wait was given up; other errors stay as they are.
func still(err error, format string, args ...any) error {
	if gaveUp := (*account.GaveUpError)(nil); errors.As(err, &gaveUp) && !errors.As(err, new(*Error)) {
		return &Error{Kind: Failed, Err: fmt.Errorf(format+": %w", append(args, gaveUp)...)}
	}
	return err
}

// same checks that the table is still the one that was described.
func (t *Table) same(ctx context.Context, before Description) error {
	now, err := t.ready(ctx)
	if err != nil {
		return err
	}
	if now.mark() != before.mark() {
		return mismatch("", "table %s was replaced by another of the same name while this ran", now)
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error { return account.Sleep(ctx, d) }

var errUnidentified = errors.New("the answer has neither a TableId nor a date of creation")
