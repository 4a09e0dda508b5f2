package target

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/weirgo/weir/stress/load"
)

// HTTP are requests to a URL, by net/http. Each worker has connections of its own.
type HTTP struct {
	Dial     Dial
	URL      string
	Method   string // "": GET
	Header   http.Header
	Body     []byte
	Version  int  // 1 or 2; 0: what the server prefers
	Insecure bool // takes any certificate
	Fresh    bool // each request has a connection of its own
	Status   int  // what an answer must have; 0: any of 2xx
	Same     bool // all answers have the body of the first
	Timeout  time.Duration
}

// Start returns a worker that makes one request at a time.
func (h *HTTP) Start(ctx context.Context, _ int) (load.Worker, error) {
	u, err := url.Parse(h.URL)
	if err != nil {
		return load.Worker{}, err
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return load.Worker{}, fmt.Errorf("the URL %q: want one with http or https and a host", h.URL)
	}
	p := new(http.Protocols)
	if h.Version != 2 {
		p.SetHTTP1(true)
	}
	if h.Version != 1 {
		p.SetHTTP2(true)
		p.SetUnencryptedHTTP2(h.Version == 2) // without TLS nothing says what a server prefers
	}
	t := &http.Transport{DialContext: h.Dial, Protocols: p, DisableKeepAlives: h.Fresh, DisableCompression: true,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: h.Insecure}, MaxIdleConnsPerHost: 1}
	c := &asker{h: h, client: &http.Client{Transport: t, Timeout: h.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	return load.Worker{Op: c.op, Close: func() error { t.CloseIdleConnections(); return nil }}, nil
}

// asker is one worker of HTTP.
type asker struct {
	h      *HTTP
	client *http.Client
	first  []byte // the body of the first answer
	body   bytes.Buffer
}

func (a *asker) op(ctx context.Context) error {
	method := a.h.Method
	if method == "" {
		method = http.MethodGet
	}
	var body io.Reader
	if len(a.h.Body) > 0 {
		body = bytes.NewReader(a.h.Body)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.h.URL, body)
	if err != nil {
		return err
	}
	for k, v := range a.h.Header {
		req.Header[k] = v
	}
	if v := a.h.Header.Get("Host"); v != "" {
		req.Host = v
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return err
	}
	var to io.Writer = io.Discard
	if a.body.Reset(); a.h.Same {
		to = &a.body
	}
	_, err = io.Copy(to, resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return err
	}
	switch {
	case a.h.Status != 0 && resp.StatusCode != a.h.Status, a.h.Status == 0 && resp.StatusCode/100 != 2:
		return fmt.Errorf("status %d", resp.StatusCode)
	case a.h.Version == 1 && resp.ProtoMajor != 1, a.h.Version == 2 && resp.ProtoMajor != 2:
		return fmt.Errorf("answered with %s", resp.Proto)
	case a.h.Same && a.first == nil:
		a.first = bytes.Clone(a.body.Bytes())
	case a.h.Same && !bytes.Equal(a.first, a.body.Bytes()):
		return &load.Fault{What: load.Changed, Detail: "the body is not that of the first answer"}
	}
	return nil
}
