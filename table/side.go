package table

import (
	"context"
	"encoding/json"
	"path"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/internal/archive"
	"github.com/dynamo-cmdline/dynamo/item"
)

// A Side is one of the two that [Compare] compares: a [*Table], or a [*Dump].
type Side interface {
	// described says what it is. A dump may not know its key.
	described(ctx context.Context) (Description, error)
	// opened is where its items come from, whose key is d's. It keeps what it must in tmp.
	opened(ctx context.Context, d Description, tmp string) (origin, error)
}

func (t *Table) described(ctx context.Context) (Description, error) { return t.ready(ctx) }

func (t *Table) opened(context.Context, Description, string) (origin, error) { return t, nil }

// A Dump is a dump, or an export of AWS's, to compare with. Make it with [NewDump].
type Dump struct {
	place string
	by    *Account
	found *archive.Stored
}

// NewDump is the dump at that place, a directory or s3://BUCKET/PREFIX: its own, or one that holds just one, as for
// [Table.Restore]. A bucket is read through the account; nil is that of the default credential chain.
// Nothing is read yet.
func NewDump(place string, by *Account) *Dump { return &Dump{place: place, by: by} }

func (d *Dump) described(ctx context.Context) (out Description, err error) {
	if d.by == nil && inBucket(d.place) {
		if d.by, err = OpenAccount(ctx, "", AccountOptions{}); err != nil {
			return out, err
		}
	}
	if d.found, out, err = d.by.openDump(ctx, d.place); err != nil {
		return out, d.by.placeError(ctx, err)
	}
	out.Items, out.Schema = d.found.Summary.Items, dumpSchema(d.found.About)
	return out, nil
}

func (d *Dump) opened(ctx context.Context, about Description, tmp string) (origin, error) {
	checked, err := d.found.Check(ctx, about.Schema, tmp)
	if err != nil {
		return nil, d.by.placeError(ctx, err)
	}
	about.Items, about.Bytes = checked.Items, checked.Bytes
	return &stored{about, checked}, nil
}

// openDump reads the manifests of the dump at that place, and what they say of it. The key is not among that.
// Only for a bucket there must be an account.
func (a *Account) openDump(ctx context.Context, place string) (*archive.Stored, Description, error) {
	place, err := storedPlace(place)
	about := Description{Path: place}
	if err != nil {
		return nil, about, err
	}
	shelf, err := a.shelf(ctx, place)
	if err != nil {
		return nil, about, err
	}
	found, err := archive.OpenDump(ctx, shelf)
	if err != nil {
		return nil, about, err
	}
	about.Path, about.ID = found.Dir, found.ID
	if where, err := arn.Parse(found.Summary.TableARN); err == nil {
		about.Account, about.Region = where.AccountID, where.Region
		about.Table = path.Base(where.Resource)
	}
	return found, about, nil
}

// dumpSchema is the key of the table that was dumped, by a dump's table.json; an
// export of AWS's has none, and the Schema is the zero one then.
func dumpSchema(about []byte) (s item.Schema) {
	var said struct{ Table types.TableDescription }
	if json.Unmarshal(about, &said) != nil {
		return s
	}
	kinds := make(map[string]item.Type)
	for _, a := range said.Table.AttributeDefinitions {
		if a.AttributeName != nil && a.AttributeType != "" {
			kinds[*a.AttributeName] = item.Type(a.AttributeType[0])
		}
	}
	return schemaOf(said.Table.KeySchema, kinds)
}
