package table

import (
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// same reports whether the two are one table: they have one id or, where neither has one, one
// account, region, name and endpoint. An answer that lost the id does not make two tables of one.
func (d Description) same(other Description) bool {
	if !d.live() || !other.live() {
		return false
	}
	return d.ID != "" && d.ID == other.ID ||
		d.Account == other.Account && d.Region == other.Region && d.Table == other.Table && d.address == other.address
}

// mark tells a table from another of the same name that was made later, or earlier: its id or, in
// an engine that has none, when it was made.
func (d Description) mark() string {
	if d.ID != "" || !d.live() {
		return d.ID
	}
	return markOf(nil, &d.created)
}

func markOf(id *string, created *time.Time) string {
	switch {
	case aws.ToString(id) != "":
		return *id
	case aws.ToTime(created).IsZero():
		return ""
	}
	return "made " + created.UTC().Format(time.RFC3339Nano)
}

// engine is the address of the engine that the table is in, where that is not AWS: there one
// account, region and name may be many tables. AWS says a TableId, and is not reached without TLS;
// one table of AWS's has many endpoints.
func (d Description) engine() string {
	plain := strings.HasPrefix(strings.ToLower(d.Endpoint), "http:")
	if plain || d.ID == "" && !d.created.IsZero() { // of one that is not there yet it is not known whether it will have an id
		return d.address
	}
	return ""
}

// replicates reports whether the two are replicas of one global table: then what is written to the
// one is written to the other, whatever their ids. Each names only those that it knows, so one name
// is enough, and one that both know.
func (d Description) replicates(other Description) bool {
	if slices.Contains(d.Replicas, other.ARN) || slices.Contains(other.Replicas, d.ARN) {
		return true
	}
	for _, replica := range d.Replicas {
		if slices.Contains(other.Replicas, replica) {
			return true
		}
	}
	return d.globalByName && other.globalByName && d.Account == other.Account && d.Table == other.Table
}

// globalByName is the version of global tables whose replicas a table does not name: they are all
// those of its name in the account.
const globalByName = "2017.11.29"

// replicasOf are the ARNs of the other replicas of a global table. One in another account is named
// by its ARN, the others by their regions.
func replicasOf(d *types.TableDescription, own arn.ARN) (list []string) {
	for _, r := range d.Replicas {
		name := aws.ToString(r.ReplicaArn)
		if name == "" && aws.ToString(r.RegionName) != "" {
			there := own
			there.Region = *r.RegionName
			name = there.String()
		}
		if name != "" && !slices.Contains(list, name) && name != own.String() {
			list = append(list, name)
		}
	}
	return list
}
