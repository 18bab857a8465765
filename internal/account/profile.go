// Package account is how an AWS account is reached: which profile is in force, and what AWS's two shared
// files say, read as strictly as the AWS CLI reads them.
package account

import (
	"cmp"
	"os"
)

// InForce is the profile that counts where that one is asked for: itself, else AWS_PROFILE's,
// else AWS_DEFAULT_PROFILE's, else none. Keys in the environment do not change which one it is.
func InForce(profile string) string {
	return cmp.Or(profile, os.Getenv("AWS_PROFILE"), os.Getenv("AWS_DEFAULT_PROFILE"))
}
