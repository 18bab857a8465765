package main

// Bugs of what says whose a table is, and whether it may be written to.
var guardMutants = []mutant{
	{
		name: "only a profile that is named counts", file: "internal/account/profile.go", part: "guards",
		old: `cmp.Or(profile, os.Getenv("AWS_PROFILE"), os.Getenv("AWS_DEFAULT_PROFILE"))`, new: `cmp.Or(profile, os.Getenv("DYNAMO_PROFILE"))`,
	},
	{
		name: "a target need not know its replicas", file: "table/identity.go", part: "guards",
		old: "if slices.Contains(d.Replicas, other.ARN) || slices.Contains(other.Replicas, d.ARN) {", new: "if slices.Contains(d.Replicas, other.ARN) {",
	},
}
