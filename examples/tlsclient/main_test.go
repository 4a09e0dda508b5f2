package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"testing"

	"go.uber.org/goleak"

	"github.com/weirgo/weir/aio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFetch(t *testing.T) {
	if runtime.GOARCH == "wasm" {
		t.Skip("no network here")
	}
	weir, err := aio.New(aio.Options{Backend: os.Getenv("WEIR_BACKEND"), Drive: os.Getenv("WEIR_DRIVE")})
	if err != nil {
		t.Skip("no backend can start here:", err)
	}
	defer weir.Close()
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w,
			"page of "+r.Host)
	}))
	defer srv.Close()
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	var page bytes.Buffer
	address := srv.Listener.Addr().String()
	if err := fetch(t.Context(), weir, address, &tls.Config{RootCAs: roots}, &page); err != nil ||
		page.String() != "page of 127.0.0.1" {
		t.Errorf("fetched %q, %v", page.String(), err)
	}
	var unknown *tls.CertificateVerificationError
	if err := fetch(t.Context(), weir, address, &tls.Config{}, io.Discard); !errors.As(err, &unknown) {
		t.Errorf("a server nobody vouches for: %v", err)
	}
}
