package account

import "testing"

func TestAddress(t *testing.T) {
	for endpoint, want := range map[string]string{
		"":                        "",
		"http://127.0.0.1:8000":   "127.0.0.1:8000",
		"http://localhost:8000/":  "127.0.0.1:8000",
		"HTTP://LocalHost:8000":   "127.0.0.1:8000",
		"http://localhost.:8000":  "127.0.0.1:8000",
		"http://[::1]:8000":       "127.0.0.1:8000",
		"http://127.0.0.2:8000":   "127.0.0.1:8000",
		"http://0.0.0.0:8000":     "127.0.0.1:8000",
		"http://localhost":        "127.0.0.1:80",
		"https://localhost":       "127.0.0.1:443",
		"http://localhost:8000/a": "127.0.0.1:8000/a",
		"https://198.51.100.7":    "198.51.100.7:443",
		"http://no-such.invalid":  "no-such.invalid:80",
	} {
		if got := Address(t.Context(), endpoint); got != want {
			t.Errorf("%s: got %q, want %q", endpoint, got, want)
		}
	}
}
