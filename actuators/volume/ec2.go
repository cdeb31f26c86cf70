package volume

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/protocol/ec2query"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/engramd/engramd/actuators"
)

// ec2Version is the version of the EC2 API, the only one in use.
const ec2Version = "2016-11-15"

// What a request may take, and how long an answer may be.
const (
	requestWithin = 20 * time.Second
	answerAtMost  = 1 << 20
)

// An account is the EC2 API of one region. Of its 700 calls three are needed, so the query protocol is
// spoken here, with the SDK's credentials and signatures; the SDK's own client adds 30 MB to the
// program. Nothing is tried again: the executor does that.
type account struct {
	region, endpoint string
	credentials      aws.CredentialsProvider
	signer           *v4.Signer
	http             *http.Client
}

// connect finds credentials and a region where AWS' own tools find them. It makes no request to EC2;
// the instance may be asked for both.
func connect(ctx context.Context, a AWS) (ebs, error) {
	var options []func(*config.LoadOptions) error
	if a.Region != "" {
		options = append(options, config.WithRegion(a.Region))
	} else {
		options = append(options, config.WithEC2IMDSRegion())
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("%w: set up AWS: %w", actuators.ErrTransient, err)
	}
	if cfg.Region == "" {
		return nil, refused("no region of AWS is known: set aws.region")
	}
	c := account{region: cfg.Region, endpoint: a.Endpoint, credentials: cfg.Credentials, signer: v4.NewSigner(),
		http: &http.Client{Timeout: requestWithin, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	if c.endpoint == "" {
		c.endpoint = endpointOf(cfg.Region)
	}
	return c, nil
}

// endpointOf is where EC2 answers in a region.
func endpointOf(region string) string {
	domain := "amazonaws.com"
	if strings.HasPrefix(region, "cn-") {
		domain += ".cn"
	}
	return "https://ec2." + region + "." + domain
}

// An answerError is an error that EC2 answered.
type answerError struct{ Code, Message string }

func (e *answerError) Error() string { return e.Code + ": " + e.Message }

// errRate says that AWS has refused a modification as one too many.
var errRate = errors.New("too many modifications of the volume")

// codeOf is the code of an answer, "" for what is none.
func codeOf(err error) string {
	if e, ok := errors.AsType[*answerError](err); ok {
		return e.Code
	}
	return ""
}

// call makes one request, and reads the answer into out unless that is nil.
func (c account) call(ctx context.Context, action string, args url.Values, out any) error {
	args.Set("Action", action)
	args.Set("Version", ec2Version)
	body := args.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(c.endpoint, "/")+"/", strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	credentials, err := c.credentials.Retrieve(ctx)
	if err != nil {
		return fmt.Errorf("find credentials for AWS: %w", err)
	}
	sum := sha256.Sum256([]byte(body))
	if err := c.signer.SignHTTP(ctx, credentials, r, hex.EncodeToString(sum[:]), "ec2", c.region, time.Now()); err != nil {
		return fmt.Errorf("sign the request: %w", err)
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, answerAtMost))
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return parseAnswer(answer.StatusCode, text, out)
}

// parseAnswer reads an answer of EC2, or the error that it is.
func parseAnswer(status int, text []byte, out any) error {
	if status >= 300 {
		found, err := ec2query.GetErrorResponseComponents(strings.NewReader(string(text)))
		if err != nil || found.Code == "" { // of a proxy, say
			return fmt.Errorf("HTTP status %d", status)
		}
		return &answerError{found.Code, found.Message}
	}
	if out == nil {
		return nil
	}
	if err := xml.Unmarshal(text, out); err != nil {
		return fmt.Errorf("the answer makes no sense: %w", err)
	}
	return nil
}
