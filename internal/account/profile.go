package account

import (
	"cmp"
	"os"
	"strings"
)

// InForce is the profile that counts where that one is asked for: itself, else AWS_PROFILE's,
// else AWS_DEFAULT_PROFILE's, else none. Keys in the environment do not change which one it is.
func InForce(profile string) string {
	return cmp.Or(profile, os.Getenv("AWS_PROFILE"), os.Getenv("AWS_DEFAULT_PROFILE"))
}

// Profiles are the names of the profiles that both files have, as far as these can be read.
func Profiles() (list []string) {
	if raw, err := os.ReadFile(place(configVariable, "config")); err == nil {
		for _, section := range sections(string(raw), false) {
			kind, name, two := strings.Cut(section, " ")
			switch {
			case section == "default":
				list = append(list, section)
			case two && kind == "profile":
				list = append(list, name)
			}
		}
	}
	if raw, err := os.ReadFile(place(credentialsVariable, "credentials")); err == nil {
		list = append(list, sections(string(raw), true)...)
	}
	return list
}
