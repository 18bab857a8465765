package account

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
)

// Whatever client of the SDK's it is that asks: its transport sends nothing elsewhere than asked,
// or in the clear.
func TestTransportIsSafe(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request went elsewhere") }))
	t.Cleanup(elsewhere.Close)
	here := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	t.Cleanup(here.Close)
	tr := new(http.Transport)
	Options{}.onlySafe(tr)
	client := &http.Client{Transport: tr}
	for _, url := range []string{here.URL, "http://db.example.com", "http://10.0.0.1/"} {
		_, err := client.Get(url) //nolint:bodyclose,noctx // there is none
		if !errors.As(err, new(*UnsafeError)) || Classify(err) != Fatal {
			t.Errorf("%s: %v", url, err)
		}
	}
	for _, host := range []string{"169.254.169.254", "169.254.170.2", "fd00:ec2::254"} {
		if !isMetadata(host) || isMetadata("10.0.0.1") {
			t.Errorf("machines of AWS's find no credentials at %s", host)
		}
	}
}
