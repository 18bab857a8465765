package table

import (
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// replicates reports whether the two are replicas of one global table: then what is written to the one is written to the
// other, whatever their ids. Each names only those that it knows, so one name is enough, and one that both know.
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

// replicasOf are the ARNs of the other replicas of a global table. One in another account is named by its ARN, the others
// by their regions.
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
