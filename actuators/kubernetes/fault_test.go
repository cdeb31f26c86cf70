package kubernetes_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/engramd/engramd/actuators"
)

func TestErrorsOfTheAPI(t *testing.T) {
	pods := schema.GroupResource{Resource: "pods"}
	cases := []struct {
		name string
		err  error
		kind error // nil is none of the contract
		text string
	}{
		{"not found", apierrors.NewNotFound(pods, "web"), actuators.ErrNotFound, ""},
		{"forbidden", apierrors.NewForbidden(pods, "web", errors.New(`User "engramd" cannot patch resource "pods/resize"`)), actuators.ErrRefused, "grant engramd that right"},
		{"quota", apierrors.NewForbidden(pods, "web", errors.New("exceeded quota: purse, requested: limits.cpu=2")), actuators.ErrRefused, "raise the ResourceQuota"},
		{"limit range", apierrors.NewForbidden(pods, "web", errors.New("maximum cpu usage per Container is 1")), actuators.ErrRefused, "maximum cpu usage"},
		{"invalid", apierrors.NewInvalid(schema.GroupKind{Kind: "Pod"}, "web", nil), actuators.ErrRefused, ""},
		{"bad request", apierrors.NewBadRequest("no"), actuators.ErrRefused, ""},
		{"no such method", apierrors.NewMethodNotSupported(pods, "patch"), actuators.ErrRefused, ""},
		{"unauthorized", apierrors.NewUnauthorized("token has expired"), actuators.ErrTransient, "credentials"},
		{"conflict", errConflict, actuators.ErrTransient, ""},
		{"too many requests", apierrors.NewTooManyRequests("slow down", 1), actuators.ErrTransient, ""},
		{"timeout", apierrors.NewTimeoutError("late", 1), actuators.ErrTransient, ""},
		{"server timeout", apierrors.NewServerTimeout(pods, "patch", 1), actuators.ErrTransient, ""},
		{"internal", errInternal, actuators.ErrTransient, ""},
		{"unavailable", apierrors.NewServiceUnavailable("etcd is away"), actuators.ErrTransient, ""},
		{"a proxy's 502", &apierrors.StatusError{ErrStatus: metav1.Status{Code: 502}}, actuators.ErrTransient, ""},
		{"refused connection", errAway, actuators.ErrTransient, "can it be reached"},
		{"cut off", fmt.Errorf("read: %w", io.ErrUnexpectedEOF), actuators.ErrTransient, ""},
		{"clock", errors.New("tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time is before"), actuators.ErrTransient, "is the clock right"},
		{"no answer", context.DeadlineExceeded, actuators.ErrTransient, "no answer from the API server in time"},
		{"too many of our own", errors.New("client rate limiter Wait returned an error: rate: Wait(n=1) would exceed context deadline"), actuators.ErrTransient, "than it allows itself"},
		{"stopped", context.Canceled, nil, ""},
		{"something else", errors.New("odd"), nil, "odd"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m := newModel(t)
			target := m.start(service{resources: ratio("100m", "200m")})
			plan := m.planned(target, cpu(400))
			for _, call := range []string{"get deployments", "list pods", "patch pods/resize"} {
				m.faults = []fault{{call: call, always: true, err: c.err}}
				var err error
				if call == "patch pods/resize" {
					if err = m.do(target, plan); c.kind == actuators.ErrNotFound {
						m.wants(err, actuators.ErrRefused, "has no pods/resize")
						continue
					}
				} else {
					_, err = m.driver.Observe(t.Context(), target)
				}
				if err == nil {
					t.Fatalf("%s: no error", call)
				}
				if c.kind != nil {
					m.wants(err, c.kind, c.text)
					continue
				}
				for _, kind := range []error{actuators.ErrTransient, actuators.ErrRefused, actuators.ErrNotFound} {
					if errors.Is(err, kind) {
						t.Errorf("%s: %v is %v", call, err, kind)
					}
				}
			}
		})
	}
}
