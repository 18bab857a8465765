package main

// Bugs of what says whose a table is, and whether it may be written to.
var guardMutants = []mutant{
	{
		name: "only a profile that is named counts", file: "internal/account/profile.go", part: "guards",
		old: `cmp.Or(profile, os.Getenv("AWS_PROFILE"), os.Getenv("AWS_DEFAULT_PROFILE"))`, new: `cmp.Or(profile, os.Getenv("DYNAMO_PROFILE"))`,
	},
	{
		name: "an entry that can match nothing is taken", file: "table/protected.go", part: "guards",
		old: "		if !isAccount(entry) {\n			return usage(", new: "		if entry == \"\" {\n			return usage(",
	},
	{
		name: "of a configuration only the first document counts", file: "cmd/dynamo/config.go", part: "guards",
		old: "	case err == nil:\n		return nil, fmt.Errorf(", new: "	case err == nil && second.Line < 0:\n		return nil, fmt.Errorf(",
	},
	{
		name: "an engine under two names is two", file: "internal/account/endpoint.go", part: "guards",
		old: "	if name == \"localhost\" || strings.HasSuffix(name, \".localhost\") {\n		return []string{loopback}", new: "	if name == \"localhost\" || strings.HasSuffix(name, \".localhost\") {\n		return []string{name}",
	},
	{
		name: "a target need not know its replicas", file: "table/identity.go", part: "guards",
		old: "if slices.Contains(d.Replicas, other.ARN) || slices.Contains(other.Replicas, d.ARN) {", new: "if slices.Contains(d.Replicas, other.ARN) {",
	},
}
